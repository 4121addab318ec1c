// What tagger and rater are built of.
const SAYS = { true: "yes", false: "no", null: "" };
const key = (text) => make("kbd", {}, text);

// A feature: key, name, what a detector sees, what others say, yes and no.
function tagRow(feature, { say, survey }) {
  const name = make("span", { class: "fg-tag-name" });
  const seen = make("button", { type: "button", class: "fg-tag-seen", tabindex: "-1" });
  const others = make("span", { class: "fg-tag-others" });
  const all = make("button", { type: "button", class: "fg-tag-all", title: "This feature on every sample", "aria-label": `${feature.title}: on every sample`, onclick: () => survey(feature.name) }, "all");
  const choice = (value, sign) => make("button", { type: "button", role: "radio", class: `fg-tag-${SAYS[value]}`, "aria-label": SAYS[value], onclick: () => say(feature.name, value === row.value ? null : value) }, sign);
  const yes = choice(true, "yes"), no = choice(false, "no");
  const node = make("div", { class: "fg-tag-row", role: "radiogroup", "aria-label": feature.title, "data-feature": feature.name }, key(feature.key), name, seen, others, all, yes, no);
  const row = { node, value: null };
  row.update = (data, now, sample) => {
    row.value = now.value;
    node.dataset.sample = sample;
    name.textContent = data.title;
    name.title = `${data.name}: ${data.description}`;
    seen.hidden = !data.seen && !data.error;
    seen.textContent = data.error ? "failed" : data.seen ? `✓ ${data.places.slice(0, 2).join(", ")}${data.places.length > 2 ? ` +${data.places.length - 2}` : ""}` : "";
    seen.title = data.error || `A detector sees it:\n${data.evidence}\nClick accepts.`;
    seen.onclick = () => say(data.name, true);
    seen.disabled = !data.seen;
    seen.classList.toggle("fg-tag-failed", Boolean(data.error));
    const against = data.others.filter((o) => now.value !== null && o.value !== now.value);
    others.textContent = data.hidden ? `${data.hidden} said` : data.others.map((o) => `${o.by} ${SAYS[o.value]}`).join(", ");
    others.title = data.hidden ? "What others say is shown once you have said it" : others.textContent;
    node.classList.toggle("fg-tag-conflict", against.length > 0);
    node.dataset.done = now.pending ? "" : SAYS[now.value];
    node.dataset.pending = now.pending ? SAYS[now.value] || "withdrawn" : "";
    node.setAttribute("aria-busy", now.pending);
    for (const [button, value] of [[yes, true], [no, false]]) {
      button.setAttribute("aria-checked", now.value === value && !now.pending);
      button.classList.toggle("fg-tag-pending", now.pending && now.value === value);
      button.classList.toggle("fg-tag-suggested", now.value === null && data.seen === value);
      button.title = now.value === value ? "Again withdraws" : data.seen === null ? SAYS[value] : `${SAYS[value]}: ${data.seen === value ? "what the detector says" : "not what the detector says"}`;
    }
  };
  return row;
}

// The form of a new feature. The name follows the title until somebody types one.
function featureForm({ add, cancel }) {
  const field = (label, props) => {
    const input = make("input", { type: "text", spellcheck: "false", autocomplete: "off", ...props });
    return [make("label", {}, make("span", {}, label), input), input];
  };
  const list = `fg-themes-${Math.random().toString(36).slice(2)}`;
  const [titled, title] = field("Title", { placeholder: "VIP caller", oninput: () => { if (!own) name.value = title.value.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[_0-9]+|_+$/g, ""); } });
  const [named, name] = field("Name", { placeholder: "vip_caller", oninput: () => { own = name.value !== ""; } });
  const [themed, theme] = field("Theme", { placeholder: "Difficult", list });
  const [described, description] = field("Meaning", { placeholder: "What makes a sample have it" });
  const [asked, when] = field("When", { placeholder: "step:send_sms & table:incident", title: "Optional: a slice of the expected flow or the requirement. Where it holds, the feature is suggested, in every sample at once." });
  const themes = make("datalist", { id: list });
  const error = make("p", { class: "fg-error", role: "alert" });
  const submit = () => add({ title: title.value.trim(), name: name.value.trim(), theme: theme.value.trim(), description: description.value.trim(), when: when.value.trim() });
  const node = make("div", { class: "fg-tag-form", role: "form", "aria-label": "New feature" }, titled, named, themed, described, asked, themes,
    make("div", { class: "fg-tag-buttons" }, make("button", { type: "button", class: "fg-tag-do", onclick: submit }, "Add feature"), make("button", { type: "button", class: "fg-quiet", onclick: cancel }, "Cancel"), error));
  node.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" && e.target.tagName === "INPUT") submit();
    else if (e.key === "Escape") cancel();
  });
  node.hidden = true;
  let own = false;
  return {
    node,
    open: (themeNames, suggested = "", draft = {}) => {
      own = Boolean(suggested);
      for (const input of [title, name, theme, description, when]) input.value = "";
      name.value = suggested;
      [title.value, description.value, when.value] = [draft.title ?? "", draft.description ?? "", draft.when ?? ""];
      themes.replaceChildren(...themeNames.map((t) => make("option", { value: t })));
      error.textContent = "";
      node.hidden = false;
      title.focus();
    },
    close: () => { node.hidden = true; },
    fail: (text) => { error.textContent = text; },
  };
}

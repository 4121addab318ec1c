// Controls above, an answer below. The HTML comes escaped from figures; its buttons are slices and samples.
export default panel(({ el, send, model }) => {
  const controls = make("div", { class: "fg-controls", role: "group", "aria-label": "Settings" });
  const error = make("div", { class: "fg-error", role: "status" });
  const body = make("div", { class: "fg-answer" });
  const title = make("h3", { class: "fg-sheet-title" });
  const meter = make("progress"), doing = make("span", { class: "fg-hint" });
  const progress = make("div", { class: "fg-progress", role: "status", hidden: true }, meter, doing);
  const sheet = make("section", { class: "fg-sheet" }, title, controls, error, progress, body);
  el.append(sheet);

  body.addEventListener("click", (e) => {
    const link = e.target.closest("[data-slice], [data-sample], [data-see]");
    if (!link) return;
    if ("see" in link.dataset) send({ type: "see", text: link.dataset.see, model: link.dataset.model });
    else if ("slice" in link.dataset) send({ type: "slice", text: link.dataset.slice, how: how(e) });
    else send({ type: "sample", id: link.dataset.sample });
  });
  body.addEventListener("keydown", (e) => e.target.closest("button") && (e.key === "Enter" || e.key === " ") && e.stopPropagation());

  const kinds = {
    select: (c) => make("select", { title: c.hover, onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) },
      ...c.options.map((o) => make("option", { value: o.value, selected: o.value === c.value }, o.title))),
    check: (c) => {
      const box = make("input", { type: "checkbox", title: c.hover, onchange: (e) => send({ type: "set", name: c.name, value: e.target.checked }) });
      box.checked = c.value;
      return box;
    },
    text: (c) => make("input", { type: "text", class: "fg-entry", placeholder: c.hover, value: c.value, onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) }),
    area: (c) => {
      const area = make("textarea", { class: "fg-entry", rows: "3", placeholder: c.hover, tabindex: "0", onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) });
      area.value = c.value;
      return area;
    },
    button: (c) => make("button", { type: "button", class: "fg-press", title: c.hover, disabled: c.disabled, onclick: () => send({ type: "press", name: c.name }) }, c.label),
  };
  const drawn = (c) => c.kind === "words" ? make("b", { class: "fg-count-of" }, c.label) : c.kind === "button" ? kinds[c.kind](c) : make("label", { class: `fg-control fg-${c.kind}` }, make("span", {}, c.label), kinds[c.kind](c));

  let before = "", html = null;
  const told = () => {
    const { text, done, total } = model.get("progress");
    progress.hidden = !text;
    doing.textContent = text ? (total ? `${text}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}` : text) : "";
    if (total) [meter.max, meter.value] = [total, done];
    else meter.removeAttribute("value");
  };
  told();
  return (state, name) => {
    if (name === "progress") return told();
    const now = JSON.stringify(state.controls);
    if (now !== before) {
      const focused = [...controls.querySelectorAll("select, input, textarea, button")].indexOf(document.activeElement);
      const fresh = state.controls.map(drawn);
      fresh.forEach((node, i) => node !== controls.children[i] && (controls.children[i] ? controls.children[i].replaceWith(node) : controls.append(node)));
      while (controls.children.length > fresh.length) controls.lastChild.remove();
      const stays = controls.querySelectorAll("select, input, textarea, button")[focused];
      if (stays !== document.activeElement) stays?.focus();
      before = now;
    }
    title.textContent = state.title;
    title.hidden = !state.title;
    controls.hidden = state.controls.length === 0;
    error.textContent = state.error;
    error.hidden = !state.error;
    if (state.html === html) return;
    html = state.html;
    showHtml(body, state.html);
    for (const table of body.querySelectorAll("table.fg-table")) {
      sorts(table);
      const around = table.closest(".fg-scroll") ?? table;
      around.before(dotsMenu(table, "flowgen", () => model.get("state").code));
    }
    for (const link of body.querySelectorAll("[data-slice]")) link.title += "\nShift: add to the slice, Alt: take out of it";
  };
}, ["progress"]);

// The shared state on one line: metric, baseline, subset, the slice as text with its count; what was done and undone; saved slices.
function barPart({ send }) {
  const segments = (label) => make("div", { class: "fg-segments", role: "radiogroup", "aria-label": label });
  const metrics = segments("Metric"), subsets = segments("Subset");
  const baseline = make("select", { "aria-label": "Baseline", title: "The model that others are compared with", onchange: () => send({ type: "baseline", value: baseline.value }) });
  const against = make("label", { class: "fg-against" }, "vs ", baseline);
  let state = null;
  const field = sliceField({
    ask: (asked, then) => send({ type: "read", ...asked }, { quiet: true, then }),
    apply: (text, then) => send({ type: "slice", text }, { own: true, then }),
  });
  const tool = (text, hover, onclick) => make("button", { type: "button", class: "fg-quiet fg-tool", title: hover, "aria-label": hover, onclick }, text);
  const reset = tool("Reset", "Back to all samples", () => send({ type: "reset" }));
  field.node.append(reset);
  const undo = tool("↶", "Undo (Ctrl+Z)", () => send({ type: "undo" }));
  const redo = tool("↷", "Redo (Ctrl+Shift+Z)", () => send({ type: "redo" }));
  const copy = tool("Copy", "Copy the state as text: it brings all of this back", () => {
    navigator.clipboard.writeText(state.state);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1200);
  });
  const keep = tool("+ Report", "Add what is on show to the report", () => send({ type: "keep" }));

  const saved = make("select", { class: "fg-saved", "aria-label": "Saved slices", title: "Saved slices", onchange: () => saved.value !== "" && send({ type: "slice", text: state.saved[saved.value].text }) });
  const star = tool("☆", "Save this slice by name", () => { form.hidden ? open() : close(); });
  const entry = (label, props) => make("input", { type: "text", class: "fg-entry", autocomplete: "off", "aria-label": label, placeholder: label, ...props });
  const list = `fg-folders-${Math.random().toString(36).slice(2)}`;
  const name = entry("Name"), folder = entry("Folder", { list }), folders = make("datalist", { id: list });
  const close = () => { form.hidden = true; };
  const named = (type) => send({ type, name: name.value, folder: folder.value }, { then: (answer) => { if (!answer.error) { close(); star.focus(); } } });
  const remove = make("button", { type: "button", class: "fg-quiet", onclick: () => named("delete") }, "Delete");
  const form = make("div", { class: "fg-save", role: "form", "aria-label": "Save slice", hidden: true }, name, folder, folders,
    make("button", { type: "button", class: "fg-do", onclick: () => named("save") }, "Save"), remove, make("button", { type: "button", class: "fg-quiet", onclick: close }, "Cancel"));
  form.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" && e.target.tagName === "INPUT") named("save");
    if (e.key === "Escape") { close(); star.focus(); }
  });
  const open = () => {
    name.value = state.now?.name ?? "";
    folder.value = state.now?.folder ?? "";
    form.hidden = false;
    name.focus();
  };

  const said = make("div", { class: "fg-hint", role: "status" });
  const node = make("div", { class: "fg-top" },
    make("div", { class: "fg-bar" }, metrics, against, subsets, saved, star),
    make("div", { class: "fg-bar" }, field.node, undo, redo, copy, keep), field.below, form, said);

  const choose = (box, options, event) => {
    while (box.children.length > options.length) box.lastChild.remove();
    options.forEach((option, i) => {
      const button = box.children[i] ?? box.appendChild(make("button", { type: "button", role: "radio" }));
      button.textContent = option.title;
      button.title = option.hover;
      button.setAttribute("aria-checked", option.on);
      button.onclick = () => send({ type: event, value: option.value });
    });
  };
  const options = (select, made, key) => {
    if (select.dataset.shown === key) return;
    select.dataset.shown = key;
    select.replaceChildren(...made());
  };
  const drawSaved = () => {
    const groups = new Map();
    state.saved.forEach((s, i) => groups.set(s.folder, [...(groups.get(s.folder) ?? []), [s, i]]));
    const now = state.saved.findIndex((s) => s.text === state.text);
    options(saved, () => [make("option", { value: "" }, state.saved_problem ? "slices.toml cannot be read" : "Saved slices"), ...[...groups].flatMap(([folder, own]) => {
      const made = own.map(([s, i]) => make("option", { value: i, title: s.text }, s.name));
      return folder ? [make("optgroup", { label: folder }, ...made)] : made;
    })], JSON.stringify([state.saved, state.saved_problem]));
    saved.value = now < 0 ? "" : now;
    saved.title = state.saved_problem || "Saved slices";
    saved.hidden = star.hidden = !state.saves;
    saved.disabled = !state.saved.length && !state.saved_problem;
    saved.classList.toggle("fg-bad", Boolean(state.saved_problem));
    folders.replaceChildren(...[...groups.keys()].filter(Boolean).map((f) => make("option", { value: f })));
    star.textContent = state.now ? "★" : "☆";
    remove.hidden = !state.now;
  };

  const update = (next) => {
    state = next;
    choose(metrics, state.metrics, "metric");
    choose(subsets, state.subsets, "subset");
    options(baseline, () => state.baselines.map((b) => make("option", { value: b.value }, b.title)), JSON.stringify(state.baselines.map((b) => b.value)));
    baseline.value = state.baselines.find((b) => b.on)?.value ?? "";
    against.hidden = state.baselines.length < 2;
    field.update(state.reading);
    reset.disabled = !state.text;
    undo.disabled = !state.undo;
    redo.disabled = !state.redo;
    keep.hidden = !state.keeps;
    said.textContent = state.said;
    said.hidden = !state.said;
    drawSaved();
  };
  return { node, update };
}

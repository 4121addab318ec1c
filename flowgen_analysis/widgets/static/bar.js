// What every view shares: dataset, score, baseline and pinned models; the slice as text with its count and its parts; what was done
// and undone, saved slices, the link to what is on show, and the report.
export default panel(({ el, send, problem }) => {
  const chosen = (label, hover, event) => {
    const node = make("select", { "aria-label": label, title: hover, onchange: () => send({ type: event, value: node.value }) });
    return node;
  };
  const dataset = chosen("Dataset", "Dataset", "dataset"), metric = chosen("Score", "The score that everything shows", "metric");
  const baseline = chosen("Baseline", "The model that others are compared with", "baseline");
  const here = make("b", { class: "fg-here" });
  const against = make("label", { class: "fg-against" }, "vs ", baseline);
  const models = make("span", { class: "fg-chips", role: "group", "aria-label": "Pinned models" });
  const more = make("select", { "aria-label": "Pin another model", title: "Pin another model: it stays in the list and beside every sample", onchange: () => more.value && send({ type: "model", value: more.value }) });
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
  const copy = tool("Link", "Copy the link to what is on show; wb.app(\"…\") opens it in a notebook", () => {
    navigator.clipboard.writeText(state.page ? `${location.origin}${location.pathname}#${state.link}` : state.link);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Link"; }, 1200);
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
  el.append(make("div", { class: "fg-top", "data-lm-suppress-shortcuts": "true" },
    make("div", { class: "fg-bar" }, here, dataset, metric, against, models, more, saved),
    make("div", { class: "fg-bar fg-second" }, field.node, make("span", { class: "fg-tools" }, undo, redo, star, copy, keep)), field.below, form, said, problem.node));
  el.addEventListener("keydown", (e) => undoKeys(e, send));

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

  const choices = (select, own) => {
    options(select, () => own.map((o) => make("option", { value: o.value, title: o.hover }, o.title)), JSON.stringify(own.map((o) => [o.value, o.title])));
    select.value = own.find((o) => o.on)?.value ?? "";
  };
  const drawModels = () => {
    const on = state.models.filter((m) => m.on), off = state.models.filter((m) => !m.on);
    const focused = models.contains(document.activeElement) ? document.activeElement.dataset.model : null;
    models.replaceChildren(...on.map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("button", { type: "button", class: "fg-chip", "aria-pressed": "true", "data-model": m.name, disabled: on.length < 2, title: `${m.name}: take it out of the list and from beside the sample`, onclick: () => send({ type: "model", value: m.name }) }, dot, middle(m.name), make("span", { class: "fg-x", "aria-hidden": "true" }, on.length < 2 ? "" : "×"));
    }));
    if (focused !== null) ([...models.children].find((n) => n.dataset.model === focused) ?? more).focus();
    more.hidden = off.length === 0;
    options(more, () => [make("option", { value: "" }, "+ model"), ...off.map((m) => make("option", { value: m.name }, m.name))], JSON.stringify(off.map((m) => m.name)));
    more.value = "";
  };

  return (next) => {
    state = next;
    choices(dataset, state.datasets);
    here.textContent = state.datasets[0]?.title ?? "";
    here.hidden = state.datasets.length > 1;
    dataset.hidden = !here.hidden;
    choices(metric, state.metrics);
    metric.title = state.metrics.find((m) => m.on)?.hover || "The score that everything shows";
    choices(baseline, state.baselines);
    against.hidden = state.baselines.length < 2;
    drawModels();
    field.update(state.reading);
    reset.disabled = !state.text;
    undo.disabled = !state.undo;
    redo.disabled = !state.redo;
    keep.hidden = !state.keeps;
    said.textContent = state.said;
    said.hidden = !state.said;
    drawSaved();
  };
});

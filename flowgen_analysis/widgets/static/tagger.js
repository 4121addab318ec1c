// The next sample, without the mouse: one key a feature, and every tag marked as done only once it is in the journal on disk.
const CODES = /^(?:Digit|Numpad)(\d)$/;

export default panel(({ el, post, model, problem, leaving }) => {
  let state = null, shown = null, armed = "", told = "";
  const rows = new Map();

  const button = (text, hover, cap, onclick) => make("button", { type: "button", class: "fg-tag-tool", title: hover, onclick }, ...(cap ? [key(cap)] : []), make("span", {}, text));
  const title = make("b"), judged = make("span"), quiet = make("span", { class: "fg-hint" }), fill = make("i");
  const meter = make("span", { class: "fg-tag-meter", role: "progressbar", "aria-label": "Judged", "aria-valuemin": "0" }, fill);
  const disk = diskLine();
  const said = make("span", { class: "fg-hint", role: "status" }), back = button("all", "Back to the whole queue", "", () => post.whenStill(() => post.send("rest", { feature: "" }, { moves: true })));
  const id = make("b"), place = make("span", { class: "fg-hint" }), sample = make("div", { class: "fg-tag-flow", tabindex: "-1" });
  const step = (value) => post.whenStill(() => post.send("step", { value }, { moves: true }));
  const accept = button("", "Take the detectors' word, yes and no, for what you have not judged", "⏎", () => twice("accept", takeAll));
  const rest = button("", "Say no to all that is still open", "", () => twice("no", sayNo));
  const find = make("input", { type: "text", class: "fg-tag-find", placeholder: "Find a feature", "aria-label": "Find a feature", autocomplete: "off", spellcheck: "false", oninput: () => redraw() });
  const form = featureForm({
    add: (feature) => post.send("feature", feature, { moves: true, then: (a) => (a.error ? form.fail(a.error) : closeForm()) }),
    cancel: () => closeForm(),
  });
  const themes = make("div", { class: "fg-tag-themes" }), strangers = make("div", { class: "fg-tag-strangers" });
  const strip = make("div", { class: "fg-tag-strip", role: "group", "aria-label": "The detector on every sample" });
  const note = make("input", { type: "text", class: "fg-tag-note", placeholder: "A note on this sample", "aria-label": "Note", autocomplete: "off", onblur: () => keepNote() });
  const notes = make("div", { class: "fg-hint" }), people = make("summary"), conflicts = make("div", { class: "fg-tag-conflicts" });
  const crowd = make("details", { class: "fg-tag-people" }, people, conflicts);
  const root = make("div", { class: "fg-tag", tabindex: "0", role: "application", "aria-label": "Tagger" },
    make("div", { class: "fg-tag-head" }, title, back, meter, judged, quiet, said, disk.node), problem.node,
    make("div", { class: "fg-tag-body" },
      make("section", { class: "fg-tag-sample", "aria-label": "Sample" }, make("header", {}, button("‹", "Previous sample", "p", () => step(-1)), button("›", "Next sample; with shift the next that you have not judged", "n", () => step(1)), id, place), sample),
      make("section", { class: "fg-tag-side", "aria-label": "Features" },
        make("header", {}, accept, rest, button("undo", "Take back what you said last", "u", () => undo()), button("find", "Find a feature", "/", () => openFind()), button("new", "A new feature; it becomes a column at once", "+", () => openForm())),
        find, form.node, strip, make("div", { class: "fg-tag-scroll" }, themes), strangers, make("label", { class: "fg-tag-noted" }, make("span", {}, "Note"), note), notes, crowd)));
  el.append(root);
  find.hidden = true;

  // -- what is said

  const flat = () => state.themes.flatMap((t) => t.rows);
  const now = (row) => {
    const sent = post.waiting().flatMap((w) => w.words).filter((w) => w.sample === state.id && w.feature === row.name).at(-1);
    return sent ? { value: sent.value, pending: true } : { value: row.mine, pending: false };
  };
  const sayThese = (pairs) => {
    const words = pairs.map(([feature, value]) => ({ sample: state.id, feature, value }));
    if (words.length) post.send("tag", { sample: state.id, words: pairs }, { words });
  };
  const say = (feature, value) => post.whenStill(() => sayThese([[feature, value]]));
  const cycle = (row, shift) => {
    const { value } = now(row);
    rows.get(row.name)?.node.scrollIntoView({ block: "nearest" });
    sayThese([[row.name, shift ? (value === false ? null : false) : value === null ? true : value ? false : null]]);
  };
  const open = () => flat().filter((r) => now(r).value === null);
  const sayMany = (pairs) => { sayThese(pairs); told = pairs.length ? `${pairs.filter((p) => p[1]).length} yes, ${pairs.filter((p) => !p[1]).length} no; u takes them back` : ""; redraw(); };
  const takeAll = () => post.whenStill(() => sayMany(open().filter((r) => r.seen !== null).map((r) => [r.name, r.seen])));
  const sayNo = () => post.whenStill(() => sayMany(open().map((r) => [r.name, false])));
  // What says many words at once asks twice: the first press shows what would be written.
  const twice = (what, action) => {
    const mine = `${what} ${state.id}`;
    if (armed !== mine) { armed = mine; told = ""; return void redraw(); }
    armed = "";
    action();
  };
  const undo = () => post.whenStill(() => post.send("undo", {}, { moves: true }));
  const survey = (feature) => post.send("survey", { feature: state.survey?.feature === feature ? "" : feature }, { quiet: true });
  const keepNote = () => {
    if (shown === null || note.value.trim() === note.dataset.kept) return;
    note.dataset.kept = note.value.trim();
    post.send("note", { sample: shown, text: note.value });
  };

  // -- keys

  const openFind = () => { find.hidden = false; find.value = ""; redraw(); find.focus(); };
  const closeFind = () => { find.hidden = true; find.value = ""; redraw(); root.focus({ preventScroll: true }); };
  const openForm = (name = "") => form.open(state.themes.map((t) => t.name), name);
  const closeForm = () => { form.close(); root.focus({ preventScroll: true }); };
  const found = () => flat().filter((r) => `${r.title} ${r.name}`.toLowerCase().includes(find.value.trim().toLowerCase()));

  find.addEventListener("keydown", (e) => {
    e.stopPropagation();
    const first = found()[0];
    if (e.key === "Escape") closeFind();
    else if (e.key === "Enter" && first) { post.whenStill(() => cycle(first, e.shiftKey)); closeFind(); }
    else return;
    e.preventDefault();
  });
  note.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Escape") note.value = note.dataset.kept;
    if (e.key === "Enter" || e.key === "Escape") root.focus({ preventScroll: true });
  });
  root.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || ["INPUT", "SELECT"].includes(e.target.tagName)) return;
    const pressed = e.code.match(CODES)?.[1] ?? e.key.toLowerCase();
    if (e.key !== "Enter") { armed = told = ""; redraw(); }
    const onButton = ["BUTTON", "SUMMARY"].includes(e.target.tagName);
    const row = pressed.length === 1 && flat().find((r) => r.key === pressed);
    if (e.key === "/") openFind();
    else if (e.key === "+") openForm();
    else if (pressed === "n" && e.shiftKey) post.whenStill(() => post.send("unjudged", {}, { moves: true }));
    else if (pressed === "n") step(1);
    else if (pressed === "p") step(-1);
    else if (pressed === "u") undo();
    else if (e.key === "Enter" && !onButton) { if (!e.shiftKey) twice("accept", takeAll); }  // Shift+Enter is Lab's: here it does nothing
    else if (row) post.whenStill(() => cycle(flat().find((r) => r.name === row.name) ?? row, e.shiftKey));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  root.addEventListener("click", (e) => { if (e.detail && e.target.closest("button, .fg-tag-flow") && document.activeElement?.tagName !== "INPUT") root.focus({ preventScroll: true }); });

  // -- drawing

  const build = () => {
    rows.clear();
    themes.replaceChildren(...state.themes.filter((t) => t.rows.length).map((t) => make("div", { class: "fg-tag-theme" }, make("b", {}, t.name), ...t.rows.map((r) => {
      rows.set(r.name, tagRow(r, { say, survey }));
      return rows.get(r.name).node;
    }))));
  };
  const surveyed = () => {
    const s = state.survey;
    strip.hidden = !s;
    if (!s) return;
    const all = (text, value, n) => make("button", { type: "button", class: "fg-tag-do", disabled: !n, onclick: () => post.send("all", { feature: s.feature, accept: value }) }, text);
    const rest = make("button", { type: "button", class: "fg-tag-do", disabled: !s.rest, title: "Go through those in a random order", onclick: () => post.whenStill(() => post.send("rest", { feature: s.feature }, { moves: true })) }, `Judge the other ${s.rest}`);
    strip.replaceChildren(make("span", {}, s.yes + s.no ? `${s.title}: seen in ${s.yes} of ${s.yes + s.no}${s.failed ? `, failed on ${s.failed}` : ""}; ${s.open} not judged by you` : `${s.title}: no detector; ${s.rest} not judged by you`), ...(s.yes + s.no ? [all(`Accept: ${s.open_yes} yes, ${s.open - s.open_yes} no`, true, s.open), all(`Refuse: ${s.open_yes} no`, false, s.open_yes)] : []), rest, make("button", { type: "button", class: "fg-quiet", "aria-label": "Close", onclick: () => survey("") }, "✕"));
  };
  const redraw = () => {
    if (!state) return;
    const listed = flat();
    if (listed.length !== rows.size || listed.some((r) => rows.get(r.name)?.node.firstChild.textContent !== r.key)) build();
    const sought = find.hidden ? null : found();
    for (const r of listed) {
      const { node, update } = rows.get(r.name);
      update(r, now(r), state.id);
      node.hidden = sought !== null && !sought.includes(r);
      node.classList.toggle("fg-tag-at", sought !== null && sought[0] === r);
    }
    themes.classList.toggle("fg-tag-finding", sought !== null);
    const unsaid = open(), offered = unsaid.filter((r) => r.seen !== null).length;
    const yes = unsaid.filter((r) => r.seen).length;
    accept.lastChild.textContent = armed === `accept ${state.id}` ? `again: ${yes} yes, ${offered - yes} no` : `accept ${offered}`;
    rest.lastChild.textContent = armed === `no ${state.id}` ? `again: ${unsaid.length} no` : `no to ${unsaid.length}`;
    accept.classList.toggle("fg-tag-armed", armed === `accept ${state.id}`);
    rest.classList.toggle("fg-tag-armed", armed === `no ${state.id}`);
    said.textContent = told;
    accept.disabled = !offered;
    rest.disabled = !unsaid.length;
    disk.show(root, post, state.file);
  };
  post.listen((answer) => {
    disk.heard(answer);
    redraw();
  });
  let drafted = 0;
  const drawn = () => {
    state = model.get("state");
    if (state.draft.n > drafted) { drafted = state.draft.n; form.open(state.themes.map((t) => t.name), state.draft.name, state.draft); }
    title.textContent = state.title;
    back.hidden = state.whole;
    id.textContent = state.id;
    place.textContent = state.place;
    judged.textContent = `${state.judged} of ${state.total} judged`;
    quiet.textContent = state.quiet ? `no new kind in the last ${state.quiet}` : "a new kind just now";
    quiet.hidden = !state.judged && !state.quiet;
    fill.style.width = `${(100 * state.judged) / Math.max(1, state.total)}%`;
    meter.setAttribute("aria-valuemax", state.total);
    meter.setAttribute("aria-valuenow", state.judged);
    if (shown !== state.id || document.activeElement !== note) { note.value = state.note; note.dataset.kept = state.note; }
    shown = state.id;
    notes.replaceChildren(...state.notes.map((n) => make("div", {}, `${n.by}: ${n.text}`)));
    crowd.hidden = !state.people;
    people.textContent = state.people + (state.conflict_count ? `, ${state.conflict_count} in conflict` : "");
    conflicts.replaceChildren(...state.conflicts.map((c) => make("button", { type: "button", onclick: () => post.whenStill(() => post.send("open", { sample: c.sample }, { moves: true })) },
      make("span", { class: "fg-id" }, c.sample), make("span", {}, c.title), make("span", { class: "fg-tag-sides" }, `yes ${c.yes.join(", ")} · no ${c.no.join(", ")}`))));
    strangers.hidden = !state.strangers.length;
    strangers.replaceChildren("Detectors without a feature: ", ...state.strangers.map((n) => make("button", { type: "button", class: "fg-tag-tool", title: "Make it a feature", onclick: () => openForm(n) }, `+ ${n}`)));
    surveyed();
    redraw();
  };
  sampleIn(sample, model, leaving);
  keepFresh(root, post, leaving, redraw);
  return drawn;
});

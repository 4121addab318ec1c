// Read what a model made: requirement on top, expected beside generated, the note in focus; every word marked as done only once it is on disk.
const DIGITS = /^(?:Digit|Numpad)(\d)$/;

export default panel(({ el, post, model, problem, leaving }) => {
  let state = null, shown = null, armed = false;
  const rows = new Map();
  const button = (text, hover, cap, onclick) => make("button", { type: "button", class: "fg-tag-tool", title: hover, onclick }, ...(cap ? [key(cap)] : []), make("span", {}, text));
  const choice = (label, onchange) => make("select", { class: "fg-read-choice", "aria-label": label, title: label, onchange });
  const kinds = choice("Queue", () => ask()), models = choice("Model", () => ask()), about = choice("About", () => ask());
  const seed = make("input", { type: "number", class: "fg-read-seed", min: "0", "aria-label": "Seed", title: "Seed of the random order", onchange: () => ask() });
  const count = make("span"), quiet = make("span", { class: "fg-hint" }), fill = make("i"), disk = diskLine();
  const meter = make("span", { class: "fg-tag-meter", role: "progressbar", "aria-label": "Read", "aria-valuemin": "0" }, fill);
  const id = make("b"), whose = make("span", { class: "fg-read-model" }), place = make("span", { class: "fg-hint" });
  const go = make("input", { type: "text", class: "fg-tag-find", placeholder: "id of a sample", "aria-label": "Go to a sample", autocomplete: "off", spellcheck: "false" });
  const flow = make("div", { class: "fg-tag-flow fg-read-flow", tabindex: "-1" }), ended = make("div", { class: "fg-read-end" });
  const note = make("textarea", { class: "fg-read-note", rows: "4", placeholder: "What went wrong here, in your own words", "aria-label": "Note", "data-lm-suppress-shortcuts": "true", onblur: () => keepNote() });
  const find = make("input", { type: "text", class: "fg-tag-find", placeholder: "Code: find, or name a new one", "aria-label": "Code", autocomplete: "off", spellcheck: "false", oninput: () => redraw() });
  const list = make("div", { class: "fg-read-codes" }), notes = make("div", { class: "fg-read-notes" }), bad = make("div", { class: "fg-hint" });
  const done = button("", "No to every code that is still open", "d", () => sayDone()), warn = make("span", { class: "fg-read-warn" });
  const blind = button("blind", "Hide whose it is, and its score", "b", () => post.send("blind", { value: !state.blind }));
  const root = make("div", { class: "fg-tag fg-read", tabindex: "0", role: "application", "aria-label": "Reader" },
    make("div", { class: "fg-tag-head" }, kinds, about, models, seed, meter, count, quiet, warn, disk.node), problem.node,
    make("header", { class: "fg-read-bar" }, button("‹", "Previous", "p", () => step(-1)), button("›", "Next", "n", () => step(1)), id, whose, place,
      button("model", "What the next model made of it", "m", () => turn()), blind, button("go to", "Another sample by its id", "g", () => openGo()), go),
    make("div", { class: "fg-read-body" }, make("section", { "aria-label": "Sample" }, flow, ended),
      make("section", { class: "fg-read-side", "aria-label": "Note and codes" },
        make("label", { class: "fg-read-label" }, make("span", {}, "Note"), make("span", { class: "fg-hint" }, "Esc to keys · Ctrl+Enter next")), note, notes,
        make("header", {}, button("code", "Find or name a code", "c", () => openFind()), button("quote", "Quote what is selected in the flow", "q", () => quote()), done, button("undo", "Take back what you said last", "u", () => undo())),
        find, list, bad)));
  el.append(root);
  find.hidden = go.hidden = true;

  // -- what is said

  const now = (code) => {
    const sent = post.waiting().flatMap((w) => w.words).filter((w) => w.item === state.item && w.name === code.name).at(-1);
    return sent ? { value: sent.value, pending: true } : { value: code.mine, pending: false };
  };
  const say = (name, value) => post.send("code", { item: state.item, words: [[name, value]] }, { words: [{ item: state.item, name, value }] });
  const cycle = (name, shift) => {
    const code = state.codes.find((c) => c.name === name);
    if (!code) return;
    const { value } = now(code);
    say(name, shift ? (value === false ? null : false) : value === null ? true : value ? false : null);
  };
  const still = (action) => post.whenStill(() => { if (state && !state.end) action(); });
  const open = () => state.codes.filter((c) => now(c).value === null);
  const sayDone = () => still(() => {
    const names = open().map((c) => c.name);
    if (!names.length) return;
    if (armed !== state.item) { armed = state.item; return void redraw(); }
    armed = false;
    post.send("done", { item: state.item }, { words: names.map((name) => ({ item: state.item, name, value: false })) });
  });
  // What is typed once another output has been asked for is about that one: the field is emptied when the question goes, and what stands
  // in it when the output arrives goes there.
  let lifted = false;
  const leave = (type, data = {}) => {
    keepNote();
    post.whenStill(() => {
      keepNote();
      lifted = true;
      note.value = note.dataset.kept = "";
      post.send(type, data, { moves: true });
    });
  };
  const arrive = () => {
    note.value = [state.note, note.value].filter(Boolean).join("\n");
    note.dataset.kept = state.note;
    lifted = false;
  };
  const step = (value) => leave("step", { value });
  const turn = () => leave("model");
  const undo = () => post.whenStill(() => post.send("undo", {}, { moves: true }));
  const keepNote = () => {
    if (lifted || shown === null || note.value.trim() === note.dataset.kept) return;
    note.dataset.kept = note.value.trim();
    post.send("note", { item: shown, text: note.value });
  };
  const ask = () => leave("queue", { kind: kinds.value, model: models.value, about: about.hidden ? "" : about.value, seed: Math.max(0, Math.floor(Number(seed.value) || 0)) });
  const quote = () => {
    const said = String(window.getSelection() ?? "").trim();
    const within = said && flow.contains(window.getSelection().anchorNode);
    if (within) note.value = `${note.value}${note.value && !note.value.endsWith("\n") ? "\n" : ""}${said.split("\n").map((s) => `> ${s}`).join("\n")}\n`;
    note.focus();
    note.setSelectionRange(note.value.length, note.value.length);
  };

  // -- keys

  const toKeys = () => root.focus({ preventScroll: true });
  const openFind = () => { find.hidden = false; find.value = ""; redraw(); find.focus(); };
  const closeFind = () => { find.hidden = true; find.value = ""; redraw(); toKeys(); };
  const openGo = () => { go.hidden = false; go.value = ""; go.focus(); };
  const closeGo = () => { go.hidden = true; toKeys(); };
  const sought = () => { const text = find.value.trim().toLowerCase(); return text ? state.codes.filter((c) => `${c.title} ${c.name}`.toLowerCase().includes(text)) : state.codes; };
  find.addEventListener("keydown", (e) => {
    e.stopPropagation();
    const title = find.value.trim(), item = state.item;
    if (e.key === "Escape") closeFind();
    else if (e.key === "Enter" && title) {
      const code = state.codes.find((c) => c.title.toLowerCase() === title.toLowerCase()) ?? (e.shiftKey ? null : sought()[0]);
      still(() => (code ? say(code.name, true) : post.send("new", { item, title })));
      closeFind();
    } else return;
    e.preventDefault();
  });
  go.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" && go.value.trim()) leave("open", { sample: go.value.trim() });
    else if (e.key !== "Escape") return;
    e.preventDefault();
    closeGo();
  });
  note.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); step(1); return; }
    if (e.key === "Escape") { e.preventDefault(); toKeys(); }
  });
  root.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(e.target.tagName)) return;
    const pressed = e.code.match(DIGITS)?.[1] ?? e.key.toLowerCase();
    const code = pressed.length === 1 && state?.codes.find((c) => c.key === pressed);
    if (pressed !== "d") armed = false;
    if (pressed === "n") step(1);
    else if (pressed === "p") step(-1);
    else if (pressed === "m") turn();
    else if (pressed === "b") post.send("blind", { value: !state.blind });
    else if (pressed === "g") openGo();
    else if (pressed === "c") openFind();
    else if (pressed === "q") quote();
    else if (pressed === "d") sayDone();
    else if (pressed === "u") undo();
    else if (e.key === "Enter" && !["BUTTON", "SUMMARY"].includes(e.target.tagName)) note.focus();
    else if (code) still(() => cycle(code.name, e.shiftKey));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  root.addEventListener("click", (e) => { if (e.detail && e.target.closest("button") && !find.contains(document.activeElement) && !["INPUT", "TEXTAREA"].includes(document.activeElement?.tagName)) toKeys(); });

  // -- drawing

  const fillChoice = (node, options, value) => {
    const text = JSON.stringify(options);
    if (node.dataset.options !== text) {
      node.dataset.options = text;
      node.replaceChildren(...Object.entries(options).map(([v, t]) => make("option", { value: v }, t)));
    }
    node.value = value;
  };
  const codeRow = (code) => {
    const name = make("span", { class: "fg-tag-name" }), others = make("span", { class: "fg-tag-others" });
    const pick = (value, sign) => make("button", { type: "button", role: "radio", class: `fg-tag-${SAYS[value]}`, "aria-label": SAYS[value], onclick: () => still(() => say(code.name, value === row.value ? null : value)) }, sign);
    const yes = pick(true, "yes"), no = pick(false, "no");
    const node = make("div", { class: "fg-tag-row fg-read-code", role: "radiogroup", "data-code": code.name }, key(code.key), name, others, yes, no);
    const row = { node, value: null };
    row.update = (data) => {
      const { value, pending } = now(data);
      row.value = value;
      node.dataset.item = state.item;
      node.setAttribute("aria-label", data.title);
      name.textContent = data.title;
      name.title = `${data.name}: ${data.description}`;
      others.textContent = data.hidden ? `${data.hidden} more said` : data.others.map((o) => `${o.by} ${SAYS[o.value]}`).join(", ");
      others.title = data.hidden ? "What others say is shown once you have said it" : others.textContent;
      node.classList.toggle("fg-tag-conflict", data.others.some((o) => value !== null && o.value !== value));
      node.dataset.done = pending ? "" : SAYS[value];
      node.dataset.pending = pending ? SAYS[value] || "withdrawn" : "";
      for (const [b, v] of [[yes, true], [no, false]]) {
        b.setAttribute("aria-checked", value === v && !pending);
        b.classList.toggle("fg-tag-pending", pending && value === v);
      }
    };
    return row;
  };
  const redraw = () => {
    if (!state) return;
    const wanted = state.codes.map((c) => `${c.name} ${c.key}`).join();
    if (list.dataset.rows !== wanted) {
      list.dataset.rows = wanted;
      rows.clear();
      for (const c of state.codes) rows.set(c.name, codeRow(c));
      list.replaceChildren(...[...rows.values()].map((r) => r.node));
    }
    const hits = find.hidden ? null : sought();
    for (const c of state.codes) {
      const { node, update } = rows.get(c.name);
      update(c);
      node.hidden = hits !== null && !hits.includes(c);
      node.classList.toggle("fg-tag-at", hits !== null && hits[0] === c && find.value.trim() !== "");
    }
    const n = open().length;
    done.lastChild.textContent = armed === state.item ? `again: ${n} no` : `done: no to ${n}`;
    done.classList.toggle("fg-read-armed", armed === state.item);
    done.disabled = !n;
    disk.show(root, post, state.file);
  };
  post.listen((answer) => { if (answer && lifted && !post.moving()) arrive(); disk.heard(answer); redraw(); });
  const showEnd = (end) => {
    ended.hidden = !end;
    flow.hidden = Boolean(end);
    if (!end) return;
    const head = make("h3", {}, end.total ? "The end of this queue" : "Nothing is in this queue");
    const told = `${end.read} of ${end.total} read, ${end.noted} noted; no new code in the last ${end.quiet}.`;
    const table = make("table", { class: "fg-table" }, make("tbody", {}, ...end.codes.map((c) => make("tr", {}, make("th", { scope: "row" }, c.title), make("td", { class: "fg-count" }, `${c.yes}`), make("td", { title: c.why }, c.share)))));
    ended.replaceChildren(head, make("p", {}, told), ...(end.codes.length ? [table] : []));
  };
  const drawn = () => {
    const last = shown;
    state = model.get("state");
    if (!state || state.item === undefined) return;
    const q = state.queue;
    fillChoice(kinds, q.kinds, q.kind);
    fillChoice(models, Object.fromEntries(q.models.map((m) => [m, m])), q.model);
    fillChoice(about, q.abouts, q.about);
    about.hidden = !Object.keys(q.abouts).length;
    models.hidden = state.blind;
    if (document.activeElement !== seed) seed.value = q.seed;
    seed.hidden = q.kind !== "random" && q.kind !== "unjudged";
    id.textContent = state.id;
    whose.textContent = state.model ? state.model + (state.repeat ? `, repeat ${state.repeat}` : "") : "blind";
    place.textContent = state.place;
    blind.setAttribute("aria-pressed", state.blind);
    root.classList.toggle("fg-read-blind", state.blind);
    count.textContent = `${state.read} of ${state.total} read`;
    quiet.textContent = state.read ? `no new code in the last ${state.quiet}` : "";
    warn.textContent = state.error || (q.by_score ? "chosen by score: no shares" : "");
    warn.title = "What is chosen by how models did tells how often a code is right there, and nothing about the others. Read at random for that.";
    fill.style.width = `${(100 * state.read) / Math.max(1, state.total)}%`;
    meter.setAttribute("aria-valuemax", state.total);
    meter.setAttribute("aria-valuenow", state.read);
    const arrived = lifted && last !== state.item;
    if (arrived) arrive();
    else if (last !== state.item) keepNote();
    if (!arrived && !lifted && (last !== state.item || document.activeElement !== note)) { note.value = state.note; note.dataset.kept = state.note; }
    shown = state.item;
    notes.replaceChildren(...state.notes.map((n) => make("div", {}, make("b", {}, n.by), ` ${n.text}`)), ...(state.hidden ? [make("div", { class: "fg-hint" }, `${state.hidden} more noted: shown once you have said something`)] : []));
    bad.replaceChildren(...state.problems.map((p) => make("div", {}, `left out: ${p}`)));
    showEnd(state.end);
    redraw();
    if (last !== null && last !== state.item && root.contains(document.activeElement) && document.activeElement === note) note.setSelectionRange(note.value.length, note.value.length);
  };
  sampleIn(flow, model, leaving);
  keepFresh(root, post, leaving, redraw);
  leaving(() => keepNote());
  const focusFirst = setTimeout(() => { if (root.isConnected && root.offsetParent !== null && [document.body, null].includes(document.activeElement)) note.focus({ preventScroll: true }); }, 60);
  leaving(() => clearTimeout(focusFirst));
  return drawn;
});

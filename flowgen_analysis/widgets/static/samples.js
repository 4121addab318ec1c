// The samples of the slice, worst first: id, domain and top cause, the requirement, a number for each pinned model. Arrow keys move, Enter opens. Only the rows in sight are here; scrolling asks for others.
const ROW = 64;

function samplesPart({ send, post }) {
  const note = make("span", { class: "fg-hint" });
  const rank = make("select", { "aria-label": "Sorted by", onchange: () => send({ type: "rank", value: rank.value }) });
  const turn = make("button", { type: "button", class: "fg-quiet", onclick: () => send({ type: "rank", value: state.rank }) });
  const read = make("button", { type: "button", class: "fg-quiet", title: "Read these one by one: the slice as a queue, in read mode", onclick: () => send({ type: "reading", value: "slice" }) }, "Read");
  const head = make("div", { class: "fg-columns" });
  const above = make("div"), below = make("div");
  const list = make("div", { class: "fg-list", role: "listbox", tabindex: "0", "aria-label": "Samples" });
  const empty = make("div", { class: "fg-no-match" });
  const node = make("div", { class: "fg-samples" }, make("div", { class: "fg-samples-head" }, note, make("label", {}, "by ", rank), turn, read), head, list, empty);
  const prefix = `fg-${Math.random().toString(36).slice(2)}`;
  let state = null, rows = [], start = 0, at = 0, selected = null, order = "", asked = -1;

  const size = () => Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const nodeAt = (i) => list.querySelector(`[data-at="${i}"]`);
  const mark = () => {
    for (const row of list.querySelectorAll(".fg-row")) row.classList.toggle("fg-at", Number(row.dataset.at) === at);
    const here = nodeAt(at);
    if (here) list.setAttribute("aria-activedescendant", here.id);
    else list.removeAttribute("aria-activedescendant");
  };
  const move = (to, into = true) => {
    at = Math.max(0, Math.min(to, state.n - 1));
    if (into) {
      if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
      else if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
    }
    mark();
  };
  const open = (i) => {
    move(i, false);
    const row = rows[i - start];
    if (row) send({ type: "select", id: row.id });
  };
  const fetch = () => {
    const first = Math.floor(list.scrollTop / ROW), last = Math.min(state.n, first + size() + 2);
    if (first >= start && last <= start + rows.length) return;
    const wanted = Math.max(0, first - 10);
    if (wanted === asked) return;
    asked = wanted;
    send({ type: "rows", at: wanted }, { quiet: true });
  };
  list.addEventListener("scroll", () => state && fetch(), { passive: true });
  list.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + size(), PageUp: at - size(), Home: 0, End: state.n - 1 }[e.key];
    if (to !== undefined) move(to);
    else if (e.key === "Enter" || e.key === " ") open(at);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });

  const extra = () => state.kind !== "score" && (state.models.length > 1 || state.kind !== "mean");
  const worth = (value) => (["difference", "residual"].includes(state.kind) ? signed(value, state.scale) : percent(value, state.scale));
  const reason = (cause) => cause && make("button", { type: "button", class: "fg-cause", tabindex: "-1", title: `What ${cause.model} lost most by here: ${cause.title}, ${percent(cause.lost)} points. Click: only samples on which it did`,
    onclick: (e) => { e.stopPropagation(); send({ type: "cause", kind: cause.kind, model: cause.model }); } }, cause.title);
  const brief = (score) => (score !== null && !state.scale && state.models.length > 4 ? String(Math.round(100 * score)) : percent(score, state.scale));  // many columns are narrow ones
  const line = (row, i) => {
    const cells = row.scores.map((score, k) => make("span", { class: row.failed[k] ? "fg-score fg-failed" : "fg-score", title: `${state.models[k].name} ${percent(score, state.scale)}${row.failed[k] ? `\n${row.failed[k]}` : ""}` }, brief(score)));
    const meta = make("span", { class: "fg-meta" }, make("span", { class: "fg-id", title: row.id }, row.id), row.domain ? make("span", { class: "fg-domain", title: row.domain }, row.domain) : null, reason(row.cause));
    const made = make("div", { class: "fg-row", role: "option", id: `${prefix}-${i}`, "data-sample": row.id, "data-at": i, "aria-selected": row.id === state.selected, onclick: () => open(i) },
      make("span", { class: "fg-about" }, meta, make("span", { class: "fg-text", title: row.requirement }, row.requirement)), ...cells);
    if (extra()) made.append(make("span", { class: "fg-score fg-mean" }, worth(row.value)));
    return made;
  };

  const columns = () => {
    node.classList.toggle("fg-many-columns", state.models.length > 4);
    node.style.setProperty("--fg-columns", `minmax(0, 1fr) repeat(${state.models.length}, var(--fg-score)) ${extra() || state.models.length > 1 ? "52px" : ""}`);
    const button = (value, title, hover, pressed, dot) => make("button", { type: "button", class: "fg-column", title: hover, "aria-pressed": pressed, onclick: () => send({ type: "rank", value }) }, dot, make("span", {}, title));
    const named = state.models.map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return button(m.name, m.name, `${m.name}: worst first; again turns it round`, m.name === state.rank, dot);
    });
    if (extra()) named.push(button(state.rank, { mean: "mean", difference: "difference", residual: "residual", score: "score" }[state.kind], state.title, true, null));
    else if (state.models.length > 1) named.push(button("mean", "mean", "Mean over models: worst first", false, null));
    head.replaceChildren(make("span", {}, ""), ...named);
  };

  const drawRows = (next) => {
    start = next.start;
    rows = next.rows;
    asked = -1;
    above.style.height = `${start * ROW}px`;
    below.style.height = `${Math.max(0, state.n - start - rows.length) * ROW}px`;
    list.replaceChildren(above, ...rows.map((row, i) => line(row, start + i)), below);
    mark();
  };

  const update = (next, nextRows) => {
    state = next;
    rows = nextRows.rows;
    const key = JSON.stringify(state.ranks);
    if (rank.dataset.shown !== key) rank.replaceChildren(...state.ranks.map((r) => make("option", { value: r.value }, r.title)));
    rank.dataset.shown = key;
    rank.value = state.rank;
    turn.textContent = state.reverse ? "↓" : "↑";
    turn.title = state.reverse ? "Highest first; click for lowest first" : "Lowest first; click for highest first";
    turn.setAttribute("aria-label", turn.title);
    read.hidden = !state.reads || !state.n;
    note.textContent = state.reverse ? "highest first" : "worst first";
    columns();
    const same = JSON.stringify([state.n, state.rank, state.reverse, state.models]);
    const changed = selected !== state.selected;
    if (same !== order) { at = 0; list.scrollTop = 0; }
    order = same;
    const closed = changed && state.selected === null;
    selected = state.selected;
    drawRows(nextRows);
    head.hidden = list.hidden = state.n === 0;
    empty.hidden = state.n > 0;
    empty.replaceChildren(make("p", {}, "No sample matches."), ...state.ways.map((way, i) =>
      make("button", { type: "button", class: "fg-drop", onclick: () => send({ type: "drop", value: i }) }, "Drop ", make("code", {}, way.part), make("span", { class: "fg-n" }, way.n.toLocaleString("en")))),
      make("button", { type: "button", class: "fg-quiet", onclick: () => send({ type: "reset" }) }, "Show all"));
    if (changed && state.at >= 0) move(state.at);
    if (closed) {
      list.focus({ preventScroll: true });
      list.scrollIntoView({ block: "nearest" });
    }
  };
  return { node, update, drawRows };
}

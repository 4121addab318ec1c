// The samples of the slice, worst first. Arrow keys move, Enter opens.
export default panel(({ el, send }) => {
  const title = make("b", {}, "Samples");
  const note = make("span", { class: "fg-hint" });
  const rank = make("select", { "aria-label": "Worst first by", onchange: () => send({ type: "rank", value: rank.value }) });
  const by = make("label", {}, "by ", rank);
  const head = make("div", { class: "fg-columns" });
  const list = make("div", { class: "fg-list", role: "listbox", tabindex: "0", "aria-label": "Samples, worst first" });
  const empty = make("div", { class: "fg-no-match" });
  el.append(make("div", { class: "fg-samples" }, make("div", { class: "fg-samples-head" }, title, note, by), head, list, empty));
  let rows = [], at = 0, selected = null;  // selected: the sample that is open

  const move = (to, into = true) => {
    at = Math.max(0, Math.min(to, rows.length - 1));
    [...list.children].forEach((node, i) => node.classList.toggle("fg-at", i === at));
    const node = list.children[at];
    if (!node) return list.removeAttribute("aria-activedescendant");
    list.setAttribute("aria-activedescendant", node.id);
    if (!into) return;
    const top = node.offsetTop - list.offsetTop, bottom = top + node.offsetHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  };
  const open = (i) => { move(i, false); if (rows[i]) send({ type: "select", id: rows[i].id }); };

  list.addEventListener("keydown", (e) => {
    const page = Math.max(1, Math.floor(list.clientHeight / 30) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: rows.length - 1 }[e.key];
    if (to !== undefined) move(to);
    else if (e.key === "Enter" || e.key === " ") open(at);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });

  const strip = (scores, models) => make("span", { class: "fg-strip" }, ...scores.map((score, i) => {
    const dot = make("i", { title: `${models[i].name} ${percent(score)}` });
    dot.style.background = models[i].colour;
    dot.style.left = `${100 * (score ?? 0)}%`;
    dot.hidden = score === null;
    return dot;
  }));

  const line = (row, i, state) => {
    const cells = state.wide
      ? [strip(row.scores, state.models)]
      : row.scores.map((score, k) => make("span", { class: row.failed[k] ? "fg-score fg-failed" : "fg-score", title: row.failed[k] || state.models[k].name }, percent(score)));
    const node = make("div", { class: "fg-row", role: "option", id: `${prefix}-${i}`, "data-sample": row.id, "aria-selected": row.id === state.selected, onclick: () => open(i) },
      make("span", { class: "fg-id", title: row.id }, row.id), make("span", { class: "fg-text", title: row.requirement }, row.requirement), ...cells);
    if (state.wide || state.models.length > 1) node.append(make("span", { class: "fg-score fg-mean" }, percent(row.value)));
    return node;
  };
  const prefix = `fg-${Math.random().toString(36).slice(2)}`;

  return (state) => {
    const keep = rows[at]?.id;
    rows = state.rows;
    rank.replaceChildren(...state.ranks.map((r) => make("option", { value: r, selected: r === state.rank }, r)));
    by.hidden = !state.wide;
    note.textContent = rows.length < state.n ? `the ${rows.length} worst of ${state.n}` : "worst first";
    const columns = state.wide ? "minmax(100px, 1fr)" : `repeat(${state.models.length}, 62px)`;
    const last = state.wide || state.models.length > 1 ? "52px" : "";
    const widest = Math.min(16, Math.max(4, ...rows.map((r) => r.id.length)));
    el.style.setProperty("--fg-columns", `${widest + 1}ch minmax(0, ${state.wide ? 2 : 1}fr) ${columns} ${last}`);
    const named = state.wide ? [make("span", { class: "fg-ends" }, make("span", {}, "0"), make("span", {}, "100"))] : state.models.map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("button", { type: "button", class: "fg-column", title: `${m.name}: worst first`, "aria-pressed": m.name === state.rank, onclick: () => send({ type: "rank", value: m.name }) }, dot, make("span", {}, m.name));
    });
    if (last) named.push(make("button", { type: "button", class: "fg-column", title: "Mean over models: worst first", "aria-pressed": state.rank === "mean", onclick: () => send({ type: "rank", value: "mean" }) }, make("span", {}, state.wide ? state.rank : "mean")));
    head.replaceChildren(make("span", {}, ""), make("span", {}, ""), ...named);
    const changed = selected !== state.selected;
    selected = state.selected;
    list.replaceChildren(...rows.map((row, i) => line(row, i, state)));
    head.hidden = list.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    empty.replaceChildren(make("p", {}, "No sample matches."), ...state.ways.map((way, i) =>
      make("button", { type: "button", class: "fg-drop", onclick: () => send({ type: "drop", value: i }) }, "Drop ", make("code", {}, way.part), make("span", { class: "fg-n" }, `${way.n}`))),
      make("button", { type: "button", class: "fg-quiet", onclick: () => send({ type: "reset" }) }, "Show all"));
    const wanted = changed && selected !== null ? selected : keep;
    move(Math.max(0, rows.findIndex((r) => r.id === wanted)), changed);
    if (changed && selected === null) {
      list.focus({ preventScroll: true });
      (el.closest(".fg-explorer") ?? el).scrollIntoView({ block: "nearest" });
    }
  };
});

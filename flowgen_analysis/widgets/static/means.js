// Each model in the slice and outside it: a dot with its interval on one axis from 0 to 100, and how far it is from the baseline.
function meansPart() {
  const head = make("div", { class: "fg-mean-row fg-mean-head" });
  const node = make("div", { class: "fg-means", role: "list", "aria-label": "Means in the slice" }, head);
  const rows = [];
  let scale = null;
  const axis = () => make("span", { class: "fg-axis" }, ...[0, 25, 50, 75, 100].map((v) => { const t = make("i", {}, scale ? String(Number(percent(v / 100, scale))) : String(v)); t.style.left = `${v}%`; return t; }));

  const mark = (kind) => {
    const line = make("i", { class: "fg-line" }), dot = make("i", { class: `fg-mark ${kind}` });
    return { line, dot };
  };
  const place = ({ line, dot }, cell, colour) => {
    const grey = Boolean(cell.why);
    for (const [part, on] of [[line, cell.low !== null], [dot, cell.v !== null]]) part.hidden = !on;
    dot.classList.toggle("fg-hollow", grey);
    for (const part of [line, dot]) part.style.setProperty("--c", grey ? "var(--fg-grey)" : colour);
    dot.style.left = `${100 * (cell.v ?? 0)}%`;
    if (cell.low !== null) {
      line.style.left = `${100 * cell.low}%`;
      line.style.width = `${100 * (cell.high - cell.low)}%`;
    }
  };
  const describe = (name, where, cell) => `${name}, ${where}: ${percent(cell.v, scale)}` + (cell.low === null ? "" : `, 95% ${percent(cell.low, scale)} – ${percent(cell.high, scale)}`) + `, n ${cell.n}` + (cell.why ? `\n${cell.why}` : "");

  const make_row = () => {
    const inside = mark("fg-in"), outside = mark("fg-out");
    const name = make("span", { class: "fg-mean-name" }, make("i", { class: "fg-dot" }), make("b"));
    const track = make("span", { class: "fg-track" }, outside.line, outside.dot, inside.line, inside.dot);
    const cells = ["in", "n", "out", "lost", "diff"].map((c) => make("span", { class: `fg-num fg-num-${c}` }));
    const row = { node: make("div", { class: "fg-mean-row", role: "listitem", tabindex: "0" }, name, track, ...cells), inside, outside, name, track, cells };
    node.append(row.node);
    return row;
  };

  const update = (state) => {
    scale = state.scale ?? null;
    while (rows.length > state.rows.length) rows.pop().node.remove();
    while (rows.length < state.rows.length) rows.push(make_row());
    const versus = state.rows.length > 1;
    node.style.setProperty("--fg-name", `${8 * Math.min(24, Math.max(11, Math.ceil(0.72 * state.title.length), ...state.rows.map((r) => r.name.length))) + 32}px`);
    node.classList.toggle("fg-alone", !versus);
    head.replaceChildren(make("span", { title: state.title }, state.title), axis(), ...[["in slice", "Mean in the slice"], ["n", "Samples with a score"], ["outside", "Mean outside the slice"], ["of loss", "Share of the model's loss that lies in the slice"]].map(([t, h]) => make("span", { class: "fg-num", title: h }, t)),
      ...(versus ? [make("span", { class: "fg-num", title: `Difference to ${state.baseline} in the slice, paired by sample` }, `vs ${state.baseline}`)] : []));
    state.rows.forEach((data, i) => {
      const { node: line, inside, outside, name, track, cells } = rows[i], d = data.difference;
      name.firstChild.style.background = data.colour;
      name.lastChild.replaceChildren(middle(data.name));
      name.title = `${data.name}${state.notes[data.name] ? `\n${state.notes[data.name]}` : ""}`;
      place(outside, data.outside, data.colour);
      place(inside, data.inside, data.colour);
      track.title = `${describe(data.name, "in the slice", data.inside)}\n${describe(data.name, "outside", data.outside)}`;
      cells[0].textContent = percent(data.inside.v, scale);
      cells[1].textContent = data.inside.n.toLocaleString("en");
      cells[2].textContent = percent(data.outside.v, scale);
      cells[2].title = `n ${data.outside.n}`;
      cells[3].textContent = data.lost === null ? "–" : `${percent(data.lost)}%`;
      cells[4].hidden = !d;
      if (!d) return;
      differenceCell(cells[4], d, data.name, state.baseline, scale);
      line.setAttribute("aria-label", `${describe(data.name, "in the slice", data.inside)}. ${cells[4].title}`);
    });
  };
  return { node, update };
}

// A difference: its number, blue above and orange below; hollow and grey where it may be chance, and the reason on hover.
function differenceCell(node, cell, name, baseline, scale) {
  node.textContent = cell.v === null ? "–" : `${signed(cell.v, scale)}${cell.why ? " ○" : ""}`;
  node.classList.toggle("fg-grey", Boolean(cell.why));
  node.classList.toggle("fg-up", !cell.why && (cell.v > 0) !== Boolean(scale?.less) && cell.v !== 0);
  node.classList.toggle("fg-down", !cell.why && (cell.v < 0) !== Boolean(scale?.less) && cell.v !== 0);
  node.title = differenceText(cell, name, baseline, scale);
}

function differenceText(cell, name, baseline, scale) {
  if (cell.v === null || !cell.counts) return cell.why;
  const [wins, ties, losses] = cell.counts;
  const interval = cell.low === null ? "" : `, 95% ${signed(cell.low, scale)} to ${signed(cell.high, scale)}`;
  return [`${name} − ${baseline}: ${signed(cell.v, scale)}${interval}, n ${cell.n}`, `wins ${wins}, ties ${ties}, losses ${losses}; ${cell.test}`, cell.why].filter(Boolean).join("\n");
}

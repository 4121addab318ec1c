// Models x features, or models x slices. A cell is a button: it becomes the slice. Arrow keys move, Enter picks.
const MEASURE_TITLES = { value: ["value", "Mean score"], difference: ["difference", "Minus the baseline, paired by sample"], coverage: ["coverage", "Share of the model's loss"] };

function gridPart({ send }) {
  const measures = make("div", { class: "fg-segments", role: "radiogroup", "aria-label": "Cells say" });
  const table = make("table", { class: "fg-grid", role: "grid" });
  const empty = make("p", { class: "fg-empty" });
  const code = (shown) => !shown ? "" : `wb.explorer(state=${JSON.stringify(JSON.stringify({ slice: shown.slice, metric: shown.metric }))}).${shown.tab === "features" ? "heatmap" : "slices"}()`;
  const node = make("div", { class: "fg-gridded" }, make("div", { class: "fg-grid-top" }, measures, dotsMenu(table, "flowgen", () => code(state))), make("div", { class: "fg-scroll" }, table), empty);
  let state = null, built = "", body = [], at = [0, 0];

  const cellText = (cell, lost) => {
    if (cell.v === null) return ["–", ""];
    if (state.measure === "difference") return [signed(cell.v, state.scale), state.wide && cell.low !== null ? `${signed(cell.low, state.scale)} to ${signed(cell.high, state.scale)}` : ""];
    if (state.measure === "coverage") return [`${percent(cell.v)}%`, ""];
    return [percent(cell.v, state.scale), state.wide && cell.low !== null ? `${percent(cell.low, state.scale)} – ${percent(cell.high, state.scale)}` : ""];
  };
  const hover = (row, i) => {
    const cell = row.cells[i], model = state.models[i].name, lost = row.lost[i];
    const share = lost === undefined || lost === null ? "" : `\n${percent(lost)}% of the loss of ${model}`;
    if (state.measure === "difference") return `${row.title}\n${differenceText(cell, model, state.baseline, state.scale)}${share}`;
    const interval = cell.low === undefined || cell.low === null ? "" : `, 95% ${percent(cell.low, state.scale)} – ${percent(cell.high, state.scale)}`;
    const what = state.measure === "coverage" ? `${percent(cell.v)}% of its loss` : `mean ${percent(cell.v, state.scale)}${interval}`;
    return `${row.title}\n${model}: ${what}, n ${cell.n}${cell.why ? `\n${cell.why}` : ""}${share}`;
  };
  // Blue for more, orange for less; how much is the depth of the colour, and the number stands in it.
  const tint = (cell) => {
    if (cell.v === null || cell.why) return "";
    const depth = state.measure === "difference" ? Math.min(1, Math.abs(cell.v) / 0.3) : state.measure === "coverage" ? Math.min(1, cell.v / 0.6) : cell.v;
    const colour = state.measure === "difference" && cell.v < 0 !== Boolean(state.scale?.less) ? "--fg-orange" : "--fg-blue";
    return `color-mix(in srgb, var(${colour}) ${Math.round(6 + 46 * depth)}%, var(--fg-page))`;
  };
  const pick = (row, i, how = "") => {
    if (row.error) return;
    send(state.tab === "features" ? { type: "cell", name: row.name, model: state.models[i]?.name ?? state.models[0].name } : { type: "slice", text: row.text, how });
  };

  const build = () => {
    const heads = state.models.map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("th", { scope: "col", title: m.name }, make("span", { class: "fg-grid-model" }, dot, make("span", {}, m.name)));
    });
    const lines = [];
    let group = null;
    body = state.rows.map((row, r) => {
      if (row.group !== group) lines.push(make("tr", { class: "fg-grid-group" }, make("th", { colspan: state.models.length + 2 }, row.group)));
      group = row.group;
      const cells = row.error
        ? [make("td", { class: "fg-grid-error", colspan: state.models.length }, row.error)]
        : state.models.map((_, i) => make("td", { tabindex: "-1", role: "gridcell", onclick: (e) => { focus(r, i, false); pick(state.rows[r], i, how(e)); } }, make("b"), make("small", { class: "fg-ring" }), make("small", { class: "fg-more" })));
      const name = make("th", { scope: "row", title: row.hover }, row.title), n = make("td", { class: "fg-n" });
      const line = make("tr", { "data-row": row.name }, name, n, ...cells);
      lines.push(line);
      return { line, n, cells, name };
    });
    table.replaceChildren(make("thead", {}, make("tr", {}, make("th"), make("th", { class: "fg-n", title: "Samples" }, "n"), ...heads)), make("tbody", {}, ...lines));
  };
  const focus = (r, i, into = true) => {
    if (!body[r]) return;
    body[at[0]]?.cells[at[1]]?.setAttribute("tabindex", "-1");
    at = [r, Math.max(0, Math.min(i, body[r].cells.length - 1))];
    const cell = body[r].cells[at[1]];
    cell.setAttribute("tabindex", "0");
    if (into) cell.focus();
  };
  table.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const move = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[e.key];
    if (move) focus(at[0] + move[0], at[1] + move[1]);
    else if (e.key === "Enter" || e.key === " ") pick(state.rows[at[0]], at[1]);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  const tell = (e) => {
    const cell = e.target.closest("td[role=gridcell]"), r = cell && body.findIndex((b) => b.line === cell.parentNode);
    if (!cell || r < 0) return;
    cell.title = hover(state.rows[r], body[r].cells.indexOf(cell));
    cell.setAttribute("aria-label", cell.title);
  };
  table.addEventListener("pointerover", tell);
  table.addEventListener("focusin", tell);

  const update = (next) => {
    state = { ...next, wide: next.tab === "slices" || next.models.length <= 4 };
    while (measures.children.length > state.measures.length) measures.lastChild.remove();
    state.measures.forEach((m, i) => {
      const button = measures.children[i] ?? measures.appendChild(make("button", { type: "button", role: "radio" }));
      [button.textContent, button.title] = MEASURE_TITLES[m];
      button.setAttribute("aria-checked", m === state.measure);
      button.onclick = () => send({ type: "measure", value: m });
    });
    table.setAttribute("aria-label", state.tab === "features" ? "Models and features" : "Models and slices");
    table.classList.toggle("fg-grid-many", state.models.length > 6);
    const shape = JSON.stringify([state.tab, state.models, state.rows.map((r) => [r.name, r.title, r.group, r.text, r.error])]);
    const here = table.contains(document.activeElement);
    if (shape !== built) build();
    built = shape;
    state.rows.forEach((row, r) => {
      const { line, n, cells } = body[r];
      n.textContent = row.error ? "" : row.n.toLocaleString("en");
      line.classList.toggle("fg-chosen", state.chosen.includes(state.tab === "features" ? row.name : row.text));
      if (row.error) return;
      row.cells.forEach((cell, i) => {
        const [text, small] = cellText(cell);
        const td = cells[i], lost = row.lost[i];
        td.firstChild.textContent = text;
        td.children[1].textContent = cell.why && cell.v !== null ? "○" : "";
        td.lastChild.textContent = [small, state.measure !== "coverage" && lost !== null && lost !== undefined ? `${percent(lost)}% of loss` : ""].filter(Boolean).join(" · ");
        td.style.background = tint(cell);
        td.classList.toggle("fg-grey", Boolean(cell.why));
        td.removeAttribute("title");
      });
    });
    focus(Math.min(at[0], body.length - 1), at[1], here);
    empty.hidden = state.rows.length > 0;
    empty.textContent = state.tab === "features" ? "No feature here." : "No slice yet: ☆ saves the one on show.";
    table.hidden = state.rows.length === 0;
  };
  return { node, update };
}

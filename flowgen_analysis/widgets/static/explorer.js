// The explorer: the bar on top, features and facts on the left, the means and one of three tables on the right.
const TABS = [["samples", "Samples", "The samples of the slice"], ["features", "Features", "Models and features, within the slice"], ["slices", "Slices", "Subsets and saved slices"]];

export default panel(({ el, send, post, model, problem }) => {
  const tools = { send, post };
  const bar = barPart(tools), facets = facetsPart(tools), means = meansPart(tools), samples = samplesPart(tools), grid = gridPart(tools);
  const tabs = TABS.map(([name, title, hover]) => make("button", { type: "button", role: "tab", class: "fg-tab-of", title: hover, onclick: () => send({ type: "tab", value: name }) }, title));
  const list = make("div", { class: "fg-tab-list", role: "tablist", "aria-label": "Tables" }, ...tabs);
  list.addEventListener("keydown", (e) => {
    const to = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!to) return;
    e.preventDefault();
    e.stopPropagation();
    const next = tabs[(tabs.indexOf(document.activeElement) + to + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  const shown = make("div", { class: "fg-table-of" }, list, samples.node, grid.node);
  const main = make("div", { class: "fg-main" }, means.node, shown);
  const root = make("div", { class: "fg-root", "data-lm-suppress-shortcuts": "true" }, bar.node, problem.node, make("div", { class: "fg-body" }, facets.node, main));
  el.append(root);

  root.addEventListener("keydown", (e) => {
    if (!(e.ctrlKey || e.metaKey) || e.altKey || ["INPUT", "SELECT"].includes(e.target.tagName)) return;
    const key = e.key.toLowerCase();
    const type = key === "y" || (key === "z" && e.shiftKey) ? "redo" : key === "z" ? "undo" : null;
    if (!type) return;
    e.preventDefault();
    e.stopPropagation();
    send({ type });
  });

  const drawMain = () => {
    const state = model.get("main");
    tabs.forEach((tab, i) => {
      const on = TABS[i][0] === state.tab;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
    });
    samples.node.hidden = state.tab !== "samples";
    grid.node.hidden = state.tab === "samples";
    if (state.tab === "samples") samples.update(state, model.get("rows"));
    else grid.update(state);
  };
  const draw = {
    state: () => bar.update(model.get("state")),
    facets: () => facets.update(model.get("facets")),
    means: () => means.update(model.get("means")),
    main: drawMain,
    rows: () => model.get("main").tab === "samples" && samples.drawRows(model.get("rows")),
  };
  // What one message changes is drawn once, whatever the order in which its parts are told.
  const stale = new Set(Object.keys(draw));
  const flush = () => {
    if (stale.delete("main")) {
      stale.delete("rows");
      draw.main();
    }
    for (const part of stale) draw[part]();
    stale.clear();
  };
  flush();
  return (state, name) => {
    if (!stale.size) queueMicrotask(flush);
    stale.add(name);
  };
}, ["facets", "means", "main", "rows"]);

// The explorer: features and facts on the left, the means and one of three tables on the right.
const TABS = [["samples", "Samples", "The samples of the slice"], ["features", "Features", "Models and features, within the slice"], ["slices", "Slices", "Subsets and saved slices"]];

export default panel(({ el, send, post, model, problem, leaving }) => {
  const tools = { send, post };
  const facets = facetsPart(tools), means = meansPart(tools), samples = samplesPart(tools), grid = gridPart(tools);
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
  const filters = make("button", { type: "button", class: "fg-quiet fg-filters", "aria-expanded": "true", title: "Show or hide features and facts", onclick: () => (facets.node.offsetParent ? hide(true) : hide(false)) }, "Filters");
  const top = make("div", { class: "fg-table-head" }, list, filters);
  const shown = make("div", { class: "fg-table-of" }, top, samples.node, grid.node);
  const main = make("div", { class: "fg-main" }, means.node, shown);
  const root = make("div", { class: "fg-root", "data-lm-suppress-shortcuts": "true" }, problem.node, make("div", { class: "fg-body" }, facets.node, divider("facets", "Width of the filters", 1), main));
  el.append(root);
  let starting = true;
  const hide = (hidden) => {
    keepPanes({ hidden });
    root.classList.toggle("fg-no-facets", hidden);
    root.classList.toggle("fg-anyway", !hidden && !starting);  // beside a sample there is seldom room for three panes: who asks gets them
    filters.setAttribute("aria-expanded", String(!hidden));
  };
  hide(panes().hidden ?? window.innerWidth < 700);
  starting = false;
  const keys = walking(el);
  leaving(keys);

  root.addEventListener("keydown", (e) => undoKeys(e, send));

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
    if (name === "state") return;
    if (!stale.size) queueMicrotask(flush);
    stale.add(name);
  };
}, ["facets", "means", "main", "rows"]);

// Features by theme: what the slice would hold with each, and three states a row.
const STATES = [[null, "any"], [true, "has"], [false, "lacks"]];

export default panel(({ el, send }) => {
  const list = make("div", { class: "fg-facets", tabindex: "-1" });
  el.append(list);
  const rows = new Map();

  const build = (themes) => {
    list.replaceChildren();
    rows.clear();
    themes.forEach((theme, i) => {
      const heads = i ? [] : STATES.map(([, word]) => make("span", { class: "fg-head" }, word));
      list.append(make("div", { class: "fg-theme", title: theme.hover }, make("b", {}, theme.name), ...heads));
      theme.features.forEach((feature) => list.append(row(feature)));
    });
  };

  const row = (feature) => {
    const bar = make("i", { class: "fg-fill" });
    const count = make("span", { class: "fg-n" });
    const dots = STATES.map(([value, word]) =>
      make("button", { type: "button", class: "fg-state", role: "radio", tabindex: "-1", title: word, "aria-label": word, onclick: () => set(feature.name, value) }));
    const name = make("span", { class: "fg-title", onclick: () => set(feature.name, rows.get(feature.name).setting === true ? null : true) }, feature.title);
    const node = make("div", { class: "fg-facet", role: "radiogroup", tabindex: "0", "aria-label": feature.title, "data-feature": feature.name }, name, make("span", { class: "fg-meter" }, bar), count, ...dots);
    rows.set(feature.name, { node, bar, count, dots, setting: null });
    return node;
  };

  const set = (name, value) => send({ type: "facet", name, value });

  list.addEventListener("keydown", (e) => {
    const node = e.target.closest(".fg-facet");
    if (!node) return;
    const all = [...list.querySelectorAll(".fg-facet")];
    const at = all.indexOf(node);
    const setting = STATES.findIndex(([value]) => value === rows.get(node.dataset.feature).setting);
    if (e.key === "ArrowDown") all[at + 1]?.focus();
    else if (e.key === "ArrowUp") all[at - 1]?.focus();
    else if (e.key === "ArrowRight") set(node.dataset.feature, STATES[(setting + 1) % 3][0]);
    else if (e.key === "ArrowLeft") set(node.dataset.feature, STATES[(setting + 2) % 3][0]);
    else if ((e.key === " " || e.key === "Enter") && e.target === node) set(node.dataset.feature, setting === 1 ? null : true);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });

  return (state) => {
    const features = state.themes.flatMap((t) => t.features);
    if (features.length !== rows.size || features.some((f) => !rows.has(f.name))) build(state.themes);
    const most = Math.max(1, ...features.map((f) => f.has));
    for (const feature of features) {
      const r = rows.get(feature.name);
      r.setting = feature.setting;
      r.node.title = feature.hover;
      r.node.classList.toggle("fg-none-left", feature.has === 0);
      r.node.classList.toggle("fg-named", feature.named);
      r.bar.style.width = `${(100 * feature.has) / most}%`;
      r.count.textContent = feature.has;
      r.dots.forEach((dot, i) => dot.setAttribute("aria-checked", STATES[i][0] === feature.setting));
    }
  };
});

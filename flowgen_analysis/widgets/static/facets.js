// Features by theme: what the slice would hold with each, and three states a row. Then facts: words to choose, numbers from and to.
const STATES = [[null, "any"], [true, "has"], [false, "lacks"]];

function facetsPart({ send }) {
  const list = make("div", { class: "fg-facets", tabindex: "-1" });
  const subsets = make("div", { class: "fg-segments", role: "radiogroup", "aria-label": "Subset" });
  const chooseSubset = (options) => {
    subsets.hidden = !options.length;
    while (subsets.children.length > options.length) subsets.lastChild.remove();
    options.forEach((option, i) => {
      const button = subsets.children[i] ?? subsets.appendChild(make("button", { type: "button", role: "radio" }));
      button.textContent = option.title;
      button.title = option.hover;
      button.setAttribute("aria-checked", option.on);
      button.onclick = () => send({ type: "subset", value: option.value });
    });
  };
  const rows = new Map(), facts = new Map();
  let built = "";

  const build = (state) => {
    list.replaceChildren(subsets);
    rows.clear();
    facts.clear();
    state.themes.forEach((theme, i) => {
      const heads = i ? [] : STATES.map(([, word]) => make("span", { class: "fg-head" }, word));
      list.append(make("div", { class: "fg-theme", title: theme.hover }, make("b", {}, theme.name), ...heads));
      theme.features.forEach((feature) => list.append(row(feature)));
    });
    if (state.facts.length) list.append(make("div", { class: "fg-theme", title: "What a sample is beside its features" }, make("b", {}, "Facts")));
    state.facts.forEach((fact) => {
      const part = fact.words ? wordFact(fact, send) : numberFact(fact, send);
      facts.set(fact.name, part);
      list.append(part.node);
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
    if (!node || e.ctrlKey || e.metaKey || e.altKey) return;
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

  const update = (state) => {
    const features = state.themes.flatMap((t) => t.features);
    const names = JSON.stringify([features.map((f) => [f.name, f.title]), state.facts.map((f) => [f.name, f.bins.map((b) => b.low)])]);
    if (names !== built) build(state);
    built = names;
    chooseSubset(state.subsets);
    const most = Math.max(1, ...features.map((f) => f.has));
    for (const feature of features) {
      const r = rows.get(feature.name);
      r.setting = feature.setting;
      r.node.title = feature.hover;
      r.node.classList.toggle("fg-none-left", feature.has === 0);
      r.node.classList.toggle("fg-named", feature.named);
      r.bar.style.width = `${(100 * feature.has) / most}%`;
      r.count.textContent = feature.has.toLocaleString("en");
      r.dots.forEach((dot, i) => dot.setAttribute("aria-checked", STATES[i][0] === feature.setting));
    }
    for (const fact of state.facts) facts.get(fact.name).update(fact);
  };
  return { node: list, update };
}

// The head of a fact: its name, what is asked of it where the fields cannot show it, and a way to ask nothing.
function factHead(fact, send) {
  const text = make("code"), clear = make("button", { type: "button", class: "fg-quiet", title: "Any", "aria-label": `${fact.title}: any`, onclick: () => send({ type: "clear", name: fact.name }) }, "✕");
  const node = make("div", { class: "fg-fact-head" }, make("span", { class: "fg-title" }, fact.title), text, clear);
  const update = (next, plain) => {
    node.classList.toggle("fg-named", Boolean(next.text));
    text.textContent = plain ? "" : next.text;
    text.title = next.text;
    clear.hidden = !next.text;
  };
  return { node, update };
}

function wordFact(fact, send) {
  const head = factHead(fact, send);
  const chips = fact.bins.map((bin) => make("button", { type: "button", class: "fg-chip", title: bin.low, onclick: () => send({ type: "word", name: fact.name, value: bin.low }) }, make("span", {}, bin.low), make("span", { class: "fg-n" })));
  const node = make("div", { class: "fg-fact", role: "group", "aria-label": fact.title, "data-fact": fact.name }, head.node, make("div", { class: "fg-fact-words" }, ...chips));
  const update = (next) => {
    head.update(next, next.bins.some((b) => b.on));
    next.bins.forEach((bin, i) => {
      chips[i].setAttribute("aria-pressed", bin.on);
      chips[i].lastChild.textContent = bin.n.toLocaleString("en");
      chips[i].classList.toggle("fg-none-left", !bin.n);
    });
  };
  return { node, update };
}

function numberFact(fact, send) {
  const head = factHead(fact, send);
  const plain = (value) => String(Math.round(value * 1e6) / 1e6);
  let shown = null;
  const end = (label) => make("input", { type: "text", inputmode: "decimal", class: "fg-end", autocomplete: "off", "aria-label": `${fact.title} ${label}`, placeholder: label, onchange: () => apply(), onkeydown: (e) => { e.stopPropagation(); if (e.key === "Enter") apply(); if (e.key === "Escape") update(shown); } });
  const low = end("from"), high = end("to");
  const read = (input) => (input.value.trim() === "" ? null : Number(input.value.replace(",", ".").replace(/%\s*$/, "")));
  const apply = () => {
    const [from, to] = [read(low), read(high)];
    for (const [input, value] of [[low, from], [high, to]]) input.setAttribute("aria-invalid", Number.isNaN(value));
    if (Number.isNaN(from) || Number.isNaN(to)) return;
    if (from === shown.from && to === shown.to) return;
    send({ type: "range", name: fact.name, low: from, high: to, below: shown.below && to === shown.to });
  };
  const bars = fact.bins.map((bin, i) => {
    const bar = make("button", { type: "button", class: "fg-column-bar", tabindex: "-1", onclick: () => {
      const on = shown.bins[i].on && shown.bins.filter((b) => b.on).length === 1;
      send(on ? { type: "clear", name: fact.name } : { type: "range", name: fact.name, low: bin.low, high: bin.high, below: !bin.last });
    } }, make("i"));
    return bar;
  });
  const node = make("div", { class: "fg-fact", role: "group", "aria-label": fact.title, "data-fact": fact.name }, head.node,
    make("div", { class: "fg-fact-range" }, make("div", { class: "fg-columns-bar" }, ...bars), low, make("span", { class: "fg-hint" }, "–"), high));
  const update = (next) => {
    shown = next;
    head.update(next, next.from !== null || next.to !== null);
    const most = Math.max(1, ...next.bins.map((b) => b.n));
    next.bins.forEach((bin, i) => {
      bars[i].firstChild.style.height = bin.n ? `${Math.max(8, (100 * bin.n) / most)}%` : "0";
      bars[i].setAttribute("aria-pressed", bin.on);
      bars[i].title = `${plain(bin.low)} ${bin.last ? "to" : "to under"} ${plain(bin.high)}: ${bin.n.toLocaleString("en")}`;
      bars[i].setAttribute("aria-label", bars[i].title);
    });
    if (document.activeElement !== low) low.value = next.from === null ? "" : plain(next.from);
    if (document.activeElement !== high) high.value = next.to === null ? "" : plain(next.to);
  };
  return { node, update };
}

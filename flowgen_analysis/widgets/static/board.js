// Notes and failures as cards, codes as places to drag them to. What is proposed is only a proposal: nothing is coded that nobody dragged.
export default panel(({ el, post, model, problem, leaving }) => {
  let state = null, cards = new Map(), chosen = new Set();
  const button = (text, hover, onclick, css = "fg-tag-tool") => make("button", { type: "button", class: css, title: hover, onclick }, text);
  const models = make("select", { class: "fg-read-choice", "aria-label": "Failures of", title: "Failures of", onchange: () => post.send("model", { model: models.value }, { moves: true }) });
  const count = make("span"), picked = make("span", { class: "fg-hint", role: "status" });
  const title = make("input", { type: "text", class: "fg-tag-find", placeholder: "Name a code for the selected cards", "aria-label": "New code", autocomplete: "off", spellcheck: "false" });
  const groups = make("div", { class: "fg-board-groups" }), codes = make("div", { class: "fg-board-codes" });
  const undo = button("undo", "Take back what you did last here", () => post.whenStill(() => post.send("undo")));
  const create = button("make a code", "Of the selected cards", () => makeCode());
  const root = make("div", { class: "fg-tag fg-board", tabindex: "0", role: "application", "aria-label": "Codes" },
    make("div", { class: "fg-tag-head" }, make("b", {}, "Codes"), models, count, picked, title, create, undo), problem.node,
    make("div", { class: "fg-board-body" }, make("section", { "aria-label": "Cards without a code" }, groups), make("section", { "aria-label": "Codes" }, codes)));
  el.append(root);

  const items = () => [...chosen].filter((n) => cards.has(n));
  const clear = () => { chosen.clear(); redraw(); };
  const makeCode = () => {
    const text = title.value.trim();
    if (!text) return void title.focus();
    post.whenStill(() => post.send("create", { items: items(), title: text }, { then: (a) => { if (!a.error) { title.value = ""; clear(); } } }));
  };
  const assign = (code, some) => { if (some.length) post.whenStill(() => post.send("assign", { items: some, code }, { then: () => clear() })); };
  title.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter") { e.preventDefault(); makeCode(); }
    if (e.key === "Escape") root.focus({ preventScroll: true });
  });
  root.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || ["INPUT", "SELECT", "TEXTAREA", "BUTTON"].includes(e.target.tagName)) return;
    const on = e.target.closest(".fg-board-card");
    if (e.key === "u") post.whenStill(() => post.send("undo"));
    else if (e.key === "c") title.focus();
    else if (e.key === "Escape") clear();
    else if (on && (e.key === "Enter" || e.key === " ") && !e.shiftKey) toggle(Number(on.dataset.card));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  const toggle = (n) => { chosen.has(n) ? chosen.delete(n) : chosen.add(n); redraw(); };
  const cardNode = (n, code = "") => {
    const c = cards.get(n);
    const said = c.notes.length ? c.notes.map((x) => make("div", { class: "fg-board-note" }, make("b", {}, x.by), ` ${x.text}`)) : [make("div", { class: "fg-hint" }, c.asked)];
    const node = make("div", { class: "fg-board-card", draggable: "true", tabindex: "0", role: "button", "data-card": `${n}`, "data-code": code, "aria-pressed": "false", title: c.asked },
      make("div", { class: "fg-board-head" }, make("span", { class: "fg-id" }, c.sample), make("span", { class: "fg-hint" }, c.model)), ...said,
      make("div", { class: "fg-board-edits" }, ...c.edits.map((e) => make("span", {}, e))));
    node.addEventListener("click", () => toggle(n));
    node.addEventListener("dragstart", (e) => {
      if (!chosen.has(n)) { chosen.clear(); chosen.add(n); redraw(); }
      e.dataTransfer.setData("text/plain", "cards");
      e.dataTransfer.effectAllowed = "move";
    });
    return node;
  };
  const dropOn = (node, action) => {
    node.addEventListener("dragover", (e) => { e.preventDefault(); node.classList.add("fg-board-over"); });
    node.addEventListener("dragleave", () => node.classList.remove("fg-board-over"));
    node.addEventListener("drop", (e) => { e.preventDefault(); node.classList.remove("fg-board-over"); action(e.dataTransfer.getData("text/plain")); });
  };
  const column = (code) => {
    const name = make("input", { type: "text", class: "fg-board-title", value: code.title, "aria-label": `Title of ${code.title}`, spellcheck: "false", title: "Enter keeps another title", onkeydown: (e) => {
      e.stopPropagation();
      if (e.key === "Escape") { name.value = code.title; root.focus({ preventScroll: true }); }
      if (e.key === "Enter" && name.value.trim() && name.value.trim() !== code.title) { const title = name.value.trim(); post.whenStill(() => post.send("rename", { code: code.name, title, description: code.description })); root.focus({ preventScroll: true }); }
    } });
    const handle = make("span", { class: "fg-board-handle", draggable: "true", title: "Drag onto another code to count it as that", ondragstart: (e) => { e.dataTransfer.setData("text/plain", `code:${code.name}`); } }, "⠿");
    const others = state.codes.filter((c) => c.name !== code.name);
    const merge = make("select", { class: "fg-read-choice", "aria-label": `Merge ${code.title} into`, title: "Count it as another code", onchange: () => { const into = merge.value; if (into) post.whenStill(() => post.send("merge", { code: code.name, into })); } }, make("option", { value: "" }, "merge into …"), ...others.map((c) => make("option", { value: c.name }, c.title)));
    const tools = make("div", { class: "fg-board-tools" },
      button("+ selected", "The selected cards are this", () => assign(code.name, items()), "fg-quiet"),
      button("split", "The selected cards of this code are something else: type its name above first", () => { const text = title.value.trim(); if (!text) return void title.focus(); post.whenStill(() => post.send("split", { code: code.name, items: items().filter((n) => code.cards.includes(n)), title: text }, { then: (a) => { if (!a.error) { title.value = ""; clear(); } } })); }, "fg-quiet"),
      merge, button("judge all", "Judge every output by this code, at random: its share can be told then", () => post.send("judge", { code: code.name }), "fg-quiet"), button("feature", "What makes models fail so, as a feature of samples: looked for in all of them", () => post.whenStill(() => post.send("feature", { code: code.name })), "fg-quiet"), ...(state.keeps ? [button("+ Report", "Add the samples of this code to the report", () => post.send("keep", { code: code.name }), "fg-quiet")] : []), button("✕", "Take the code away", () => post.whenStill(() => post.send("drop", { code: code.name })), "fg-quiet"));
    const node = make("div", { class: "fg-board-code", "data-code": code.name }, make("div", { class: "fg-board-codehead" }, handle, name, make("span", { class: "fg-count" }, `${code.cards.length}`)), tools, make("div", { class: "fg-board-cards" }, ...code.cards.map((n) => cardNode(n, code.name))));
    dropOn(node, (what) => (what === "cards" ? assign(code.name, items()) : what.startsWith("code:") && what.slice(5) !== code.name && post.whenStill(() => post.send("merge", { code: what.slice(5), into: code.name }))));
    return node;
  };
  const redraw = () => {
    for (const node of root.querySelectorAll(".fg-board-card")) node.setAttribute("aria-pressed", chosen.has(Number(node.dataset.card)));
    const n = items().length;
    picked.textContent = n ? `${n} selected` : "";
    create.disabled = !n;
  };
  const drawn = () => {
    state = model.get("state");
    if (!state?.cards) return;
    cards = new Map(state.cards);
    chosen = new Set(items());
    models.replaceChildren(...state.models.map((m) => make("option", { value: m }, m)));
    models.value = state.model;
    count.textContent = `${state.free} without a code, of ${state.all}`;
    const kept = [groups.scrollTop, codes.scrollTop];
    groups.replaceChildren(...state.groups.map((g) => make("div", { class: "fg-board-group" }, make("div", { class: "fg-board-proposed" }, g.name ? make("b", {}, g.name) : make("b", {}, "like no other"), make("span", { class: "fg-hint" }, g.name ? `proposed, ${g.cards.length}` : `${g.cards.length}`),
      button("select", "Select these cards", () => { g.cards.forEach((n) => chosen.add(n)); redraw(); }, "fg-quiet")), make("div", { class: "fg-board-cards" }, ...g.cards.map((n) => cardNode(n))))));
    codes.replaceChildren(...(state.codes.length ? state.codes.map(column) : [make("p", { class: "fg-empty" }, "No code yet: select cards, name what they share.")]));
    [groups.scrollTop, codes.scrollTop] = kept;
    redraw();
  };
  keepFresh(root, post, leaving, redraw, () => !root.contains(document.activeElement?.closest?.("input, select")));
  return drawn;
});

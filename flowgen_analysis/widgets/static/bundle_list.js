// The list of a bundle: which samples, and those that have some words. The rows are those of the explorer.
export default panel(({ el, send, post, model }) => {
  const samples = samplesPart({ send, post });
  const of = make("select", { "aria-label": "Samples of", onchange: () => send({ type: "slice", text: of.value, how: "" }) });
  const words = make("input", { type: "search", class: "fg-entry", placeholder: "words of the requirement, or an id", "aria-label": "Find", oninput: () => send({ type: "find", text: words.value }) });
  const head = make("div", { class: "fg-bundle-head" }, of, words), chips = make("div", { class: "fg-chips fg-bundle-chips" });
  el.append(make("div", { class: "fg-root fg-main fg-bundle-list" }, head, chips, samples.node));
  words.addEventListener("keydown", (e) => e.key === "Escape" && el.querySelector(".fg-list").focus());
  let groups = "";
  const draw = () => {
    const state = model.get("state"), now = JSON.stringify(state.groups);
    if (groups !== now) of.replaceChildren(make("option", { value: "" }, "All samples"), ...state.groups.map((g) => make("optgroup", { label: g.title }, ...g.slices.map((s) => make("option", { value: s.text, title: s.text }, `${s.title}  (${s.n})`)))));
    groups = now;
    of.value = state.parts.length === 1 && !state.parts[0].not ? state.parts[0].text : "";
    if (!of.value) of.value = "";
    chips.hidden = !state.parts.length;
    chips.replaceChildren(...state.parts.map((part, i) => make("button", { type: "button", class: "fg-chip", title: "Take it away", onclick: () => send({ type: "part", at: i }) }, make("code", {}, part.not ? `not (${part.text})` : part.text), make("span", { "aria-hidden": "true" }, "✕"))), make("span", { class: "fg-n" }, `${state.n} of ${state.all}`));
    samples.update(state, model.get("rows"));
  };
  return (state, name) => (name === "rows" ? samples.drawRows(model.get("rows")) : draw());
}, ["rows"]);

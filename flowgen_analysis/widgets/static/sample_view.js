// One sample: requirement, expected and generated side by side. The HTML comes escaped from flow_view.py.
const FEW = 6;  // up to so many models have a chip each; of more, those that are shown

export default panel(({ el, send }) => {
  const title = make("b");
  const place = make("span", { class: "fg-hint" });
  const models = make("span", { class: "fg-chips", role: "group", "aria-label": "Models shown" });
  const add = make("select", { "aria-label": "Show another model", onchange: () => add.value && send({ type: "model", value: add.value }) });
  const button = (text, hover, event) => make("button", { type: "button", class: "fg-quiet", title: hover, "aria-label": hover, onclick: () => send(event) }, text);
  const before = button("‹", "Previous sample (←)", { type: "step", value: -1 });
  const after = button("›", "Next sample (→)", { type: "step", value: 1 });
  const close = button("✕", "Close (Esc)", { type: "close" });
  const body = make("div", { class: "fg-sample-body" });
  const view = make("section", { class: "fg-sample", tabindex: "0", "aria-label": "Sample" }, make("header", { class: "fg-sample-head" }, before, after, title, place, models, close), body);
  el.append(view);
  let shown = null;

  view.addEventListener("keydown", (e) => {
    const event = { ArrowLeft: { type: "step", value: -1 }, ArrowRight: { type: "step", value: 1 }, Escape: { type: "close" } }[e.key];
    if (!event) return;
    e.preventDefault();
    e.stopPropagation();
    send(event);
  });

  return (state) => {
    view.hidden = state.id === null;
    title.textContent = state.id ?? "";
    place.textContent = state.place;
    before.disabled = state.first;
    after.disabled = state.last;
    const many = state.models.length > FEW;
    const hidden = state.models.filter((m) => !m.on);
    add.hidden = !many || hidden.length === 0;
    add.replaceChildren(make("option", { value: "" }, "+ model"), ...hidden.map((m) => make("option", { value: m.name }, `${m.name}  ${percent(m.score)}`)));
    models.replaceChildren(...state.models.filter((m) => m.on || !many).map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("button", { type: "button", class: "fg-chip", "aria-pressed": m.on, title: m.hover, onclick: () => send({ type: "model", value: m.name }) }, dot, make("span", {}, m.name), make("span", { class: "fg-n" }, percent(m.score)));
    }), add);
    body.innerHTML = state.html;
    if (state.id !== null && state.id !== shown) {
      view.scrollIntoView({ block: shown === null ? "start" : "nearest" });
      view.focus({ preventScroll: true });
    }
    shown = state.id;
  };
});

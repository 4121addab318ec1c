// The shared state on one line: metric, subset, slice with its count.
export default panel(({ el, send }) => {
  const metrics = make("div", { class: "fg-segments", role: "radiogroup", "aria-label": "Metric" });
  const subsets = make("div", { class: "fg-segments", role: "radiogroup", "aria-label": "Subset" });
  const input = make("input", {
    type: "text", class: "fg-slice", spellcheck: "false", autocomplete: "off", placeholder: "foreach & ~parallel",
    "aria-label": "Slice", title: "Features joined by and, or, not (& | ~) and brackets. Enter applies.",
    onkeydown: (e) => {
      e.stopPropagation();
      if (e.key === "Enter") apply();
      if (e.key === "Escape") { input.value = shown; input.blur(); }
    },
    onblur: () => apply(),
  });
  const count = make("span", { class: "fg-count-of", role: "status" });
  const reset = make("button", { type: "button", class: "fg-quiet", title: "Back to all samples", onclick: () => send({ type: "reset" }) }, "Reset");
  const line = make("span", { class: "fg-error-line" });
  const copy = make("button", { type: "button", class: "fg-quiet", onclick: () => navigator.clipboard.writeText(details) }, "Copy details");
  const error = make("div", { class: "fg-error", role: "alert" }, line, copy);
  const field = make("div", { class: "fg-field" }, input, count);
  el.append(make("div", { class: "fg-bar" }, metrics, subsets, field, reset), error);
  let shown = "", details = "";
  const apply = () => { if (input.value.trim() !== shown) send({ type: "slice", text: input.value }); };

  const segments = (box, options, event) => {
    while (box.children.length > options.length) box.lastChild.remove();
    options.forEach((option, i) => {
      const node = box.children[i] ?? box.appendChild(make("button", { type: "button", role: "radio" }));
      node.textContent = option.title;
      node.title = option.hover;
      node.setAttribute("aria-checked", option.on);
      node.onclick = () => send({ type: event, value: option.value });
    });
  };

  return (state) => {
    segments(metrics, state.metrics, "metric");
    segments(subsets, state.subsets, "subset");
    details = state.details;
    if (!state.error) { shown = state.text; input.value = state.text; }
    input.setAttribute("aria-invalid", Boolean(state.error));
    count.textContent = `${state.n} of ${state.total}` + (state.unknown ? `, ${state.unknown} unknown` : "");
    count.title = state.unknown ? `${state.unknown} samples are neither in nor out: nobody has judged a feature that decides it` : "";
    reset.disabled = !state.text && !state.error;
    error.hidden = !state.error;
    line.textContent = state.error;
    copy.hidden = !state.details;
  };
});

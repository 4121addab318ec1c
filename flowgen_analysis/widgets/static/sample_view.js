// One sample: requirement, expected and generated side by side. The HTML comes escaped from flow_diff.py.
const FEW = 6;  // up to so many models have a chip each; of more, those that are shown

// What the diff cannot do by itself: words of the requirement and what models have in common point to their step, and back; a label
// opens to its reason for who has no mouse to rest on it.
function link(diff, kept) {
  const pointing = [...diff.querySelectorAll("[data-steps]")].filter((node) => node.dataset.steps);
  const lines = new Map([...diff.querySelectorAll("[data-step]")].map((line) => [line.dataset.step, line]));
  const steps = (node) => (node.dataset.step ? [node.dataset.step] : node.dataset.steps.split(" "));
  const light = (keys) => {
    for (const node of pointing) node.classList.toggle("fd-lit", steps(node).some((key) => keys.includes(key)));
    for (const [key, line] of lines) line.classList.toggle("fd-lit", keys.includes(key));
  };
  const pointed = (target) => target.closest?.("[data-steps], [data-step]");
  const follow = (e) => {
    const node = pointed(e.target);
    light(node && (node.dataset.step || node.dataset.steps) ? steps(node) : []);
  };
  diff.addEventListener("mouseover", follow);
  diff.addEventListener("focusin", follow);
  diff.addEventListener("mouseleave", () => light([]));
  const go = (node) => {
    const line = lines.get(steps(node)[0]);
    for (let block = line?.closest(".fd-block"); block; block = block.parentElement.closest(".fd-block")) {
      const fold = block.previousElementSibling?.querySelector(".fd-fold");
      if (fold) fold.checked = false;
    }
    line?.scrollIntoView({ block: "nearest" });
    light(steps(node));
  };
  const press = (node, action) => {
    node.tabIndex = 0;
    node.setAttribute("role", "button");
    node.addEventListener("click", () => action(node));
    node.addEventListener("keydown", (e) => {
      if (e.key !== "Enter" && e.key !== " ") return;
      e.preventDefault();
      action(node);
    });
  };
  pointing.forEach((node) => press(node, go));
  for (const label of diff.querySelectorAll(".fd-label")) {
    label.setAttribute("aria-expanded", "false");
    press(label, () => label.setAttribute("aria-expanded", label.classList.toggle("fd-open")));
  }
  for (const node of diff.querySelectorAll("input, summary, [tabindex]")) node.setAttribute("data-lm-suppress-shortcuts", "true");
  const only = diff.querySelector(".fd-only");
  if (only) {
    only.checked = kept.only;
    only.addEventListener("change", () => (kept.only = only.checked));
  }
  const inputs = [...diff.querySelectorAll(".fd-more")];
  const unfold = make("button", { type: "button", class: "fd-unfold", title: "Show or hide the inputs that are as expected" });
  const show = () => {
    unfold.textContent = kept.open ? "fold inputs" : "unfold inputs";
    unfold.setAttribute("aria-pressed", kept.open);
  };
  unfold.addEventListener("click", () => {
    kept.open = !kept.open;
    inputs.forEach((node) => (node.open = kept.open));
    show();
  });
  if (kept.open) inputs.forEach((node) => (node.open = true));
  show();
  if (inputs.length) diff.querySelector(".fd-bar").insertBefore(unfold, only ? only.parentElement.nextSibling : diff.querySelector(".fd-bar").firstChild);
}

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
  const kept = { only: false, open: false };
  let shown = null;
  let html = "";

  view.addEventListener("keydown", (e) => {
    const event = { ArrowLeft: { type: "step", value: -1 }, ArrowRight: { type: "step", value: 1 }, Escape: { type: "close" } }[e.key];
    if (!event || e.target.tagName === "SELECT") return;
    e.preventDefault();
    e.stopPropagation();
    const flows = e.shiftKey && event.type === "step" ? body.querySelector(".fd-scroll") : null;
    if (flows) flows.scrollLeft += 280 * event.value;
    else send(event);
  });

  return (state) => {
    const focused = view.contains(document.activeElement) ? document.activeElement.dataset.model ?? "" : null;
    view.hidden = state.id === null;
    title.textContent = state.id ?? "";
    title.title = state.id ?? "";
    place.textContent = state.place;
    before.disabled = state.first;
    after.disabled = state.last;
    const many = state.models.length > FEW;
    const hidden = state.models.filter((m) => !m.on);
    add.hidden = !many || hidden.length === 0;
    add.replaceChildren(make("option", { value: "" }, "+ model"), ...hidden.map((m) => make("option", { value: m.name }, `${m.name}  ${percent(m.score, state.scale)}`)));
    models.replaceChildren(...state.models.filter((m) => m.on || !many).map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("button", { type: "button", class: "fg-chip", "aria-pressed": m.on, "data-model": m.name, title: m.hover, onclick: () => send({ type: "model", value: m.name }) }, dot, make("span", {}, m.name), make("span", { class: "fg-n" }, percent(m.score, state.scale)));
    }), add);
    if (state.html !== html) {
      html = state.html;
      showHtml(body, state.html);
      const diff = body.querySelector(".fd");
      if (diff) link(diff, kept);
    }
    if (state.id !== null && state.id !== shown) {
      view.scrollIntoView({ block: shown === null ? "start" : "nearest" });
      view.focus({ preventScroll: true });
    } else if (focused !== null && !view.contains(document.activeElement) && !view.hidden) {
      const chip = [...models.children].find((node) => focused && node.dataset.model === focused);
      (chip ?? view).focus({ preventScroll: true });
    }
    shown = state.id;
  };
});

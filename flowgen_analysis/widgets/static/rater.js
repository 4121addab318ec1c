// How good is this flow, 0 to 10? Nothing on this page knows which model made it.
const SCORES = [..."0123456789x"];
const MEANS = { 0: "useless", 2: "a few right steps", 5: "half right", 8: "small repairs", 10: "nothing to change" };

export default panel(({ el, post, model, problem, leaving }) => {
  let state = null, line = null, asked = null;
  const title = make("b", {}, "How well does this flow do what is asked?"), count = make("span"), fill = make("i");
  const meter = make("span", { class: "fg-tag-meter", role: "progressbar", "aria-label": "Rated", "aria-valuemin": "0" }, fill);
  const disk = make("span", { class: "fg-tag-disk", role: "status" });
  const place = make("span", { class: "fg-hint" }), flow = make("div", { class: "fg-tag-flow fg-rate-flow", tabindex: "-1" });
  const tool = (text, hover, cap, value) => make("button", { type: "button", class: "fg-tag-tool", title: hover, onclick: () => step(value) }, key(cap), make("span", {}, text));
  const scores = SCORES.map((cap, i) => make("button", { type: "button", role: "radio", "data-score": i, title: MEANS[i] ?? "", onclick: () => rate(i) }, make("b", {}, `${i}`), i === 10 ? key(cap) : null, MEANS[i] ? make("small", {}, MEANS[i]) : null));
  const cannot = make("button", { type: "button", class: "fg-tag-tool", title: "It cannot be judged", onclick: () => pass() }, key("c"), make("span", {}, "cannot judge"));
  const undo = make("button", { type: "button", class: "fg-tag-tool", title: "Take back what you said last", onclick: () => takeBack() }, key("u"), make("span", {}, "undo"));
  const reason = make("input", { type: "text", class: "fg-tag-note fg-rate-reason", placeholder: "Reason (before the score; r)", "aria-label": "Reason", autocomplete: "off" });
  const scale = make("div", { class: "fg-rate-scale", role: "radiogroup", "aria-label": "Score" }, ...scores);
  const root = make("div", { class: "fg-tag fg-rate", tabindex: "0", role: "application", "aria-label": "Rater" },
    make("div", { class: "fg-tag-head" }, title, meter, count, disk), problem.node,
    make("div", { class: "fg-rate-bar" }, tool("‹", "Previous", "p", -1), tool("›", "Next", "n", 1), place, cannot, undo, reason), scale, flow);
  el.append(root);

  const step = (value) => { if (!post.moving()) post.send("step", { value }, { moves: true }); };
  const rate = (score) => {
    if (post.moving()) return;
    asked = score;
    post.send("rate", { item: state.item, score, reason: reason.value }, { moves: true });
  };
  const pass = () => { if (!post.moving()) post.send("cannot", { item: state.item, reason: reason.value }, { moves: true }); };
  const takeBack = () => { if (!post.moving()) post.send("undo", {}, { moves: true }); };
  reason.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" || e.key === "Escape") { e.preventDefault(); root.focus({ preventScroll: true }); }
  });
  root.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target === reason) return;
    const pressed = e.key.toLowerCase(), score = SCORES.indexOf(pressed);
    if (score >= 0) rate(score);
    else if (pressed === "c") pass();
    else if (pressed === "u") takeBack();
    else if (pressed === "r") reason.focus();
    else if (pressed === "n") step(1);
    else if (pressed === "p") step(-1);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  root.addEventListener("click", (e) => { if (e.detail && e.target.closest("button, .fg-tag-flow")) root.focus({ preventScroll: true }); });

  const redraw = () => {
    if (!state) return;
    const moving = post.moving();
    if (!moving) asked = null;
    scores.forEach((b, i) => {
      b.setAttribute("aria-checked", !moving && state.score === i);
      b.classList.toggle("fg-tag-pending", moving && asked === i);
    });
    const late = post.late();
    root.classList.toggle("fg-tag-late", late);
    disk.textContent = late ? "kernel busy or gone: not on disk" : asked !== null ? "not on disk yet" : line ? `on disk, line ${line.toLocaleString("en")}` : "";
    disk.dataset.unsaved = asked === null ? 0 : 1;
    disk.dataset.line = line ?? "";
  };
  post.listen((answer) => {
    line = answer?.lines.at(-1) ?? line;
    redraw();
  });
  sampleIn(flow, model, leaving);
  const tick = setInterval(redraw, 2000);
  leaving(() => clearInterval(tick));
  return () => {
    const last = state?.item;
    state = model.get("state");
    if (last !== state.item || document.activeElement !== reason) reason.value = state.reason ?? "";
    cannot.setAttribute("aria-pressed", Boolean(state.cannot));
    undo.disabled = !state.undo;
    count.textContent = state.rated === state.total ? `all ${state.total} rated, thank you` : `${state.rated} of ${state.total} rated`;
    place.textContent = `${state.item + 1} of ${state.total}`;
    fill.style.width = `${(100 * state.rated) / Math.max(1, state.total)}%`;
    meter.setAttribute("aria-valuemax", state.total);
    meter.setAttribute("aria-valuenow", state.rated);
    redraw();
  };
});

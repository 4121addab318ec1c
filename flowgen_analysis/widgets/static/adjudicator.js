// Where people differ: the sample, what each says and noted, and a key that decides. Marked as decided only once it is on disk.
export default panel(({ el, post, model, problem, leaving }) => {
  let state = null, shown = null, asked = null;
  const button = (text, hover, cap, onclick) => make("button", { type: "button", class: "fg-tag-tool", title: hover, onclick }, ...(cap ? [key(cap)] : []), make("span", {}, text));
  const left = make("span"), disk = diskLine(), fill = make("i");
  const meter = make("span", { class: "fg-tag-meter", role: "progressbar", "aria-label": "Decided", "aria-valuemin": "0" }, fill);
  const id = make("b"), made = make("span", { class: "fg-read-model" }), place = make("span", { class: "fg-hint" });
  const flow = make("div", { class: "fg-tag-flow fg-read-flow", tabindex: "-1" }), empty = make("p", { class: "fg-empty" }, "Nobody differs: every cell that two people judged has one answer.");
  const question = make("div", { class: "fg-decide-asked" }), meaning = make("div", { class: "fg-hint" });
  const sides = make("div", { class: "fg-decide-sides" }), settled = make("div", { class: "fg-hint", role: "status" });
  const why = make("input", { type: "text", class: "fg-tag-note", placeholder: "Why, for those who differ", "aria-label": "Why", autocomplete: "off" });
  const choice = (value, cap) => make("button", { type: "button", role: "radio", class: "fg-decide-do", onclick: () => decide(value) }, key(cap), make("span", {}, SAYS[value]));
  const yes = choice(true, "y"), no = choice(false, "x"), reveal = button("show what they say", "You have not judged this one: what you say of it later is not blind any more", "s", () => post.whenStill(() => post.send("reveal")));
  const list = make("div", { class: "fg-decide-list" });
  const body = make("div", { class: "fg-read-body" }, make("section", { "aria-label": "Sample" }, flow),
    make("section", { class: "fg-read-side", "aria-label": "What people say" }, question, meaning, sides, reveal,
      make("header", { role: "radiogroup", "aria-label": "Decision" }, yes, no, button("undo", "Take back what you decided last", "u", () => undo())), why, settled, list));
  const root = make("div", { class: "fg-tag fg-decide", tabindex: "0", role: "application", "aria-label": "Adjudication" },
    make("div", { class: "fg-tag-head" }, make("b", {}, "Where people differ"), meter, left, disk.node), problem.node,
    make("header", { class: "fg-read-bar" }, button("‹", "Previous", "p", () => step(-1)), button("›", "Next", "n", () => step(1)), id, made, place), empty, body);
  el.append(root);

  const step = (value) => post.whenStill(() => post.send("step", { value }, { moves: true }));
  const undo = () => post.whenStill(() => post.send("undo", {}, { moves: true }));
  const decide = (value) => post.whenStill(() => {
    if (!state?.id || state.hidden) return;
    asked = state.decided?.value === value && state.decided.note === why.value.trim() ? null : value;  // again takes it back
    post.send("decide", { item: state.item, value: asked, text: why.value }, { words: [{ item: state.item }] });
  });
  why.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" || e.key === "Escape") { e.preventDefault(); root.focus({ preventScroll: true }); }
  });
  root.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(e.target.tagName)) return;
    const pressed = e.key.toLowerCase(), onButton = ["BUTTON", "SUMMARY"].includes(e.target.tagName);
    if (pressed === "n") step(1);
    else if (pressed === "p") step(-1);
    else if (pressed === "y") decide(true);
    else if (pressed === "x") decide(false);
    else if (pressed === "u") undo();
    else if (pressed === "s" && state?.hidden) post.whenStill(() => post.send("reveal"));
    else if (e.key === "Enter" && !onButton && !e.shiftKey) why.focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  root.addEventListener("click", (e) => { if (e.detail && e.target.closest("button") && document.activeElement?.tagName !== "INPUT") root.focus({ preventScroll: true }); });

  const redraw = () => {
    if (!state) return;
    const pending = post.waiting().some((w) => w.words.some((x) => x.item === state.item));
    for (const [b, value] of [[yes, true], [no, false]]) {
      b.setAttribute("aria-checked", !pending && state.decided?.value === value);
      b.classList.toggle("fg-tag-pending", pending && asked === value);
      b.disabled = !state.id || state.hidden;
    }
    root.dataset.decided = pending ? "" : SAYS[state.decided?.value ?? null];
    disk.show(root, post, state.file);
  };
  post.listen((answer) => { disk.heard(answer); redraw(); });
  const drawn = () => {
    state = model.get("state");
    const there = Boolean(state.id);
    empty.hidden = there;
    body.hidden = !there;
    left.textContent = state.total ? `${state.left} of ${state.total} left to decide` : "";
    fill.style.width = `${(100 * (state.total - state.left)) / Math.max(1, state.total)}%`;
    meter.setAttribute("aria-valuemax", state.total ?? 0);
    meter.setAttribute("aria-valuenow", (state.total ?? 0) - (state.left ?? 0));
    id.textContent = state.id ?? "";
    made.textContent = state.made ?? "";
    place.textContent = state.place ?? "";
    question.textContent = state.title ?? "";
    meaning.textContent = state.description ?? "";
    reveal.hidden = !state.hidden;
    sides.replaceChildren(...(state.sides ?? []).map((s) => make("div", { class: "fg-decide-side" }, make("b", {}, s.by), make("span", { class: `fg-decide-said fg-decide-${SAYS[s.value]}` }, SAYS[s.value]), make("span", { class: "fg-hint" }, s.note))));
    settled.textContent = state.decided ? `${SAYS[state.decided.value]}, decided by ${state.decided.by}${state.decided.note ? `: ${state.decided.note}` : ""}` : there ? "Not decided" : "";
    if (shown !== state.item || document.activeElement !== why) why.value = state.decided?.note ?? "";
    shown = state.item;
    list.replaceChildren(...(state.cells ?? []).map((c) => make("button", { type: "button", "aria-current": c.item === state.item ? "true" : "false", onclick: () => post.whenStill(() => post.send("open", { item: c.item }, { moves: true })) },
      make("span", { class: "fg-id" }, c.id), make("span", {}, c.title), make("span", { class: "fg-hint" }, c.decided === null ? "" : `${SAYS[c.decided]}, ${c.who}`))));
    redraw();
  };
  sampleIn(flow, model, leaving);
  keepFresh(root, post, leaving, redraw);
  return drawn;
});

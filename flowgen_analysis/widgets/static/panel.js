// What every panel shares. Text from data only ever goes in through textContent and attributes; HTML that Python has escaped through
// showHtml. What can hold the focus says that its keys are its own, or Lab takes them (`b` adds a cell).
const shared = (window[Symbol.for("flowgen-analysis")] ??= { plotly: null, asked: 0 });
shared.turns ??= {};

function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  if (["button", "input", "select"].includes(tag) || "tabindex" in props) node.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key.startsWith("aria-")) node.setAttribute(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

function showHtml(node, html) {
  node.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
}

// Numbers as `figures.style` writes them in Python: one decimal, a sign before what is not 0.0, a minus that is no hyphen.
// A score that is no FlowSim comes with its scale: its ends, its digits, and whether less of it is better.
const percent = (value, scale) => (value === null ? "–" : scale ? (scale.low + scale.span * value).toFixed(scale.digits) : (100 * value).toFixed(1));
const signed = (value, scale) => {
  const size = percent(value === null ? null : Math.abs(value), scale && { ...scale, low: 0 });
  return value === null || Number(size) === 0 ? size : `${value > 0 ? "+" : "−"}${size}`;
};

// Each event has a number of its own and stays in `waiting` until the kernel answers that number. Nothing is shown as done before.
// Of all panels of a group one message is under way at a time, with all events since the last: a kernel may take up two messages in
// two threads (Lab gives comms subshells) and the later one first. An event that moves to another sample holds back the keys after
// it: they are about the sample that comes, not the one that goes.
function postbox(model) {
  const prefix = Math.random().toString(36).slice(2), waiting = new Map(), held = [], listeners = [];
  const turn = (shared.turns[model.get("group") || prefix] ??= { underWay: null, next: [] });
  let n = 0, moving = null, gone = false, outgoing = [];
  const tell = (answer, sent) => listeners.forEach((listener) => listener(answer, sent));
  const flush = () => {
    if (!outgoing.length) return;
    if (turn.underWay !== null) return void (turn.next.includes(flush) || turn.next.push(flush));
    const events = outgoing;
    outgoing = [];
    turn.underWay = events.at(-1).seq;
    try {
      model.send({ type: "several", events });
    } catch {
      gone = true;  // the kernel was started anew and knows nothing of this page; the keys stay here all the same
    }
  };
  const send = (type, data = {}, { words = [], moves = false, quiet = false, own = false, then = null } = {}) => {
    const seq = `${prefix}-${++n}`;
    waiting.set(seq, { words, quiet, own, then, since: Date.now() });
    if (moves) moving = seq;
    outgoing.push({ ...data, type, seq });
    flush();
    tell();
  };
  const answered = (answer) => {
    const sent = answer.type === "done" && waiting.get(answer.seq);
    if (!sent) return;
    waiting.delete(answer.seq);
    if (moving === answer.seq) moving = null;
    if (turn.underWay === answer.seq) turn.underWay = null;
    tell(answer, sent);
    sent.then?.(answer);
    while (held.length && moving === null) held.shift()();
    if (turn.underWay === null) turn.next.shift()?.();
    flush();
  };
  model.on("msg:custom", answered);
  return {
    send,
    listen: (listener) => listeners.push(listener),
    whenStill: (action) => (moving === null ? action() : held.push(action)),
    waiting: () => [...waiting.values()],
    held: () => held.length,
    moving: () => moving !== null,
    late: () => gone || [...waiting.values()].some((w) => Date.now() - w.since > 3000),
    close: () => {
      model.off("msg:custom", answered);
      turn.next = turn.next.filter((f) => f !== flush);
      if (!waiting.has(turn.underWay)) return;
      turn.underWay = null;
      turn.next.shift()?.();
    },
  };
}

// What went wrong, in one line, and the rest for whoever asks.
function errorLine() {
  const line = make("span", { class: "fg-error-line" });
  let details = "";
  const copy = make("button", { type: "button", class: "fg-quiet", onclick: () => navigator.clipboard.writeText(details) }, "Copy details");
  const node = make("div", { class: "fg-error", role: "alert", hidden: true }, line, copy);
  const show = (failure) => {
    node.hidden = !failure;
    line.textContent = failure?.error ?? "";
    details = failure?.details || failure?.error || "";
  };
  return { node, show };
}

// A panel draws its state whenever it changes, and sends events. `traits` are those that change it beside `state`. It looks busy only
// when the answer takes its time; an event that fails is said in a line, which stands on top unless the panel puts it elsewhere, or says
// it in its `own` way.
function panel(draw, traits = []) {
  return {
    render({ model, el }) {
      el.classList.add("fg");
      const post = postbox(model), problem = errorLine(), ends = [() => post.close()];
      let timer = null, slow = null;
      post.listen((answer, sent) => {
        const loud = post.waiting().some((w) => !w.quiet);
        if (!loud) {
          clearTimeout(timer);
          clearTimeout(slow);
          timer = slow = null;
          el.classList.remove("fg-busy");
        } else if (timer === null) {
          timer = setTimeout(() => el.classList.add("fg-busy"), 150);
          slow = setTimeout(() => problem.show({ error: "The kernel is busy or gone: it has not answered yet." }), 8000);
        }
        if (answer?.error && !sent.own) problem.show(answer);
        else if (answer && !sent.quiet) problem.show(null);
      });
      const send = ({ type, ...data }, options) => post.send(type, data, options);
      const update = draw({ el, send, post, model, problem, leaving: (end) => ends.push(end) });
      if (!el.contains(problem.node)) el.prepend(problem.node);
      const calls = ["state", ...traits].map((name) => [`change:${name}`, () => update(model.get("state"), name)]);
      calls.forEach(([name, call]) => model.on(name, call));
      update(model.get("state"), "state");
      return () => {
        calls.forEach(([name, call]) => model.off(name, call));
        ends.forEach((end) => end());
      };
    },
  };
}

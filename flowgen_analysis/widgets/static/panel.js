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

// A long name loses its middle, where there is no room: its two ends tell models apart. All of it stands in the title.
function middle(name) {
  const letters = [...name], cut = Math.max(0, letters.length - 8);
  if (cut < 4) return make("span", { class: "fg-name-of", title: name }, name);
  return make("span", { class: "fg-name-of", title: name }, make("span", {}, letters.slice(0, cut).join("")), make("span", {}, letters.slice(cut).join("")));
}

// How wide the panes are and whether the filters are hidden, for this browser.
const PANES = "flowgen-panes";
const panes = () => { try { return JSON.parse(localStorage.getItem(PANES)) ?? {}; } catch { return {}; } };
const keepPanes = (more) => { try { localStorage.setItem(PANES, JSON.stringify({ ...panes(), ...more })); } catch { /* private windows keep nothing */ } };

// A bar between two panes: it is dragged, or moved by arrow keys, and where it stands is kept. way: 1 where what it sizes lies left of it.
function divider(name, label, way) {
  const node = make("div", { class: `fg-divide fg-divide-${name}`, role: "separator", tabindex: "0", "aria-orientation": "vertical", "aria-valuenow": "50", "aria-valuemin": "10", "aria-valuemax": "80", "aria-label": label, title: "Drag, or arrow keys; double click: as at first" });
  const around = () => node.closest(".fg-panes") ?? node.parentElement;
  const set = (share) => {
    const whole = around();
    if (share === null) whole.style.removeProperty(`--fg-${name}`);
    else whole.style.setProperty(`--fg-${name}`, `${Math.round(1000 * Math.max(0.1, Math.min(0.8, share))) / 10}%`);
    if (share !== null) node.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    keepPanes({ [name]: share });
  };
  const at = (x) => {
    const box = around().getBoundingClientRect();
    return way > 0 ? (x - box.left) / box.width : (box.right - x) / box.width;
  };
  node.addEventListener("pointerdown", (e) => {
    e.preventDefault();
    node.setPointerCapture(e.pointerId);
    const move = (m) => set(at(m.clientX));
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", () => node.removeEventListener("pointermove", move), { once: true });
  });
  node.addEventListener("dblclick", () => set(null));
  node.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -24, ArrowRight: 24 }[e.key];
    if (!by) return;
    e.preventDefault();
    e.stopPropagation();
    set(at(node.getBoundingClientRect().left + by));
  });
  requestAnimationFrame(() => { if (panes()[name]) set(panes()[name]); });
  return node;
}

const KEYS = [["/", "slice"], ["j  k", "next, previous sample"], ["n  p", "next, previous difference"], ["Enter", "open the sample"], ["Esc", "close it"], ["← →", "previous, next sample"], ["Ctrl+Z", "undo"], ["Ctrl+Shift+Z", "redo"], ["?", "these keys"]];

// Single keys that go about what is on show. On a page of its own they are taken everywhere, in JupyterLab inside the explorer. Returns
// what takes them away.
function walking(el) {
  const within = shared.page ? document : el;
  const act = (e) => {
    const root = el.closest(".fg-explorer");
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || !root || !root.offsetParent) return;
    if (e.target.closest?.("input, select, textarea, [contenteditable=true]")) return;
    const sample = [...root.querySelectorAll(".fg-sample")].find((n) => !n.hidden), list = root.querySelector(".fg-list");
    const step = (key) => {
      if (sample) return sample.dispatchEvent(new KeyboardEvent("keydown", { key: key > 0 ? "ArrowRight" : "ArrowLeft", bubbles: true }));
      list?.focus();
      list?.dispatchEvent(new KeyboardEvent("keydown", { key: key > 0 ? "ArrowDown" : "ArrowUp", bubbles: true }));
    };
    const todo = {
      "/": () => (root.closest(".fg-workbench") ?? root).querySelector("input.fg-slice")?.focus(),
      j: () => step(1), k: () => step(-1),
      n: () => sample?.dispatchEvent(new CustomEvent("fg-jump", { detail: 1 })), p: () => sample?.dispatchEvent(new CustomEvent("fg-jump", { detail: -1 })),
      "?": () => showKeys(root),
    }[e.key];
    if (!todo) return;
    e.preventDefault();
    e.stopPropagation();
    todo();
  };
  within.addEventListener("keydown", act);
  return () => within.removeEventListener("keydown", act);
}

function showKeys(root) {
  const open = root.querySelector("dialog.fg-keys");
  if (open) return open.remove();
  const rows = KEYS.map(([key, what]) => make("div", {}, make("kbd", {}, key), make("span", {}, what)));
  const node = make("dialog", { class: "fg fg-keys", "aria-label": "Keys", tabindex: "-1" }, ...rows);
  node.addEventListener("keydown", (e) => { if (e.key === "Escape" || e.key === "?") { e.preventDefault(); e.stopPropagation(); node.remove(); } });
  node.addEventListener("click", () => node.remove());
  root.append(node);
  node.show();
  node.focus();
}

// -- what can be done with every table: sort it by a head, and take it along

const cellText = (cell) => {
  if (cell.matches("[data-copy]")) return cell.dataset.copy;
  const plain = cell.cloneNode(true);
  plain.querySelectorAll("svg, .fg-sort").forEach((n) => n.remove());
  return plain.textContent.replace(/\s+/g, " ").trim();
};
const tableRows = (table) => [...table.rows].filter((r) => !r.hidden).map((r) => [...r.cells].map(cellText));
const LINES = {
  tab: (rows) => rows.map((r) => r.join("\t")).join("\n"),
  csv: (rows) => rows.map((r) => r.map((t) => (/[",\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t)).join(",")).join("\r\n"),
  markdown: (rows) => {
    const wide = Math.max(...rows.map((r) => r.length)), line = (r) => `| ${[...r, ...Array(wide - r.length).fill("")].map((t) => t.replaceAll("|", "\\|")).join(" | ")} |`;
    return [line(rows[0]), `|${" --- |".repeat(wide)}`, ...rows.slice(1).map(line)].join("\n");
  },
};

function sorts(table) {
  for (const head of table.tHead?.rows[0]?.cells ?? []) {
    if (!head.textContent.trim() || head.querySelector(".fg-sort")) continue;
    const mark = make("span", { class: "fg-sort", "aria-hidden": "true" });
    const turn = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      for (const other of table.tHead.rows[0].cells) { other.removeAttribute("aria-sort"); other.querySelector(".fg-sort")?.replaceChildren(); }
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      mark.textContent = up ? "▲" : "▼";
      const key = (row) => {
        const text = row.cells[head.cellIndex] ? cellText(row.cells[head.cellIndex]).replace(/^[○●]\s*/, "").replaceAll("−", "-").replaceAll(",", "") : "";
        const number = /^[<>≥~+-]?\s*[<>+-]?\d/.test(text) ? parseFloat(text.replace(/^[<>≥~+\s]+/, "")) : NaN;
        return [number, text];
      };
      for (const body of table.tBodies) {
        const fixed = [...body.rows].filter((r) => r.matches(".fg-group, .fg-union, .fg-grid-group")), rows = [...body.rows].filter((r) => !fixed.includes(r)).map((r) => [key(r), r]);
        rows.sort(([[a, s]], [[b, t]]) => (Number.isNaN(a) && Number.isNaN(b) ? s.localeCompare(t) : Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : a - b) * (up ? 1 : Number.isNaN(a) !== Number.isNaN(b) ? 1 : -1));
        body.append(...fixed.filter((r) => !r.matches(".fg-union")), ...rows.map(([, r]) => r), ...fixed.filter((r) => r.matches(".fg-union")));
      }
    };
    head.append(mark);
    head.tabIndex = 0;
    head.setAttribute("data-lm-suppress-shortcuts", "true");
    head.classList.add("fg-sorts");
    head.addEventListener("click", turn);
    head.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); e.stopPropagation(); turn(); } });
  }
}

function download(name, blob) {
  const link = make("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 4000);
}

// A picture of a part of the page: its HTML inside SVG, with this project's styles and the colours of now.
function pictureOf(node) {
  const box = node.getBoundingClientRect(), wide = Math.ceil(Math.max(box.width, node.scrollWidth)), high = Math.ceil(Math.max(box.height, node.scrollHeight));
  const styles = [...document.querySelectorAll("style")].map((s) => s.textContent).filter((t) => t.includes(".fg")).join("\n");
  const root = getComputedStyle(document.body), names = ["--jp-ui-font-color0", "--jp-layout-color0", "--jp-brand-color1", "--jp-ui-font-family", "--jp-code-font-family"];
  const colours = names.map((n) => `${n}:${root.getPropertyValue(n)}`).join(";");
  const page = document.implementation.createHTMLDocument("");
  const holder = page.createElement("div"), style = page.createElement("style"), copy = node.cloneNode(true);
  copy.querySelectorAll(".fg-dots-menu, .fg-sort").forEach((n) => n.remove());
  style.textContent = styles;
  holder.className = "fg";
  holder.setAttribute("style", `${colours};background:${root.getPropertyValue("--jp-layout-color0") || "#fff"};width:${wide}px`);
  holder.append(style, copy);
  const inside = new XMLSerializer().serializeToString(holder);
  return { wide, high, svg: `<svg xmlns="${SVG}" width="${wide}" height="${high}"><foreignObject width="100%" height="100%">${inside}</foreignObject></svg>` };
}
const SVG = document.createElementNS("http:" + "//www.w3.org/2000/svg", "svg").namespaceURI;

function pngOf({ wide, high, svg }, then) {
  const image = new Image();
  image.onload = () => {
    const canvas = make("canvas", { width: 2 * wide, height: 2 * high }), paint = canvas.getContext("2d");
    paint.scale(2, 2);
    paint.drawImage(image, 0, 0);
    canvas.toBlob(then);
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

// The ⋯ of a table or a chart. code: what makes it in a notebook.
function dotsMenu(node, name, code) {
  const table = node.matches("table") ? node : node.querySelector("table");
  const copy = (text) => navigator.clipboard.writeText(text);
  const file = (kind, ending, type) => download(`${name}.${ending}`, new Blob([LINES[kind](tableRows(table))], { type }));
  const choices = [
    ...(table ? [["Copy", () => copy(LINES.tab(tableRows(table)))], ["Copy as Markdown", () => copy(LINES.markdown(tableRows(table)))], ["CSV", () => file("csv", "csv", "text/csv")]] : []),
    ["PNG", () => pngOf(pictureOf(node), (blob) => download(`${name}.png`, blob))],
    ["SVG", () => download(`${name}.svg`, new Blob([pictureOf(node).svg], { type: "image/svg+xml" }))],
    ["Copy the code that makes this", () => copy(code())],
  ];
  const list = make("div", { class: "fg-menu", role: "menu", hidden: true }, ...choices.map(([title, act]) =>
    make("button", { type: "button", role: "menuitem", onclick: (e) => { e.stopPropagation(); act(); close(); } }, title)));
  const button = make("button", { type: "button", class: "fg-quiet", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": "Copy or save this", title: "Copy or save this", onclick: (e) => { e.stopPropagation(); list.hidden ? open() : close(); } }, "⋯");
  const menu = make("div", { class: "fg-dots-menu" }, button, list);
  const outside = (e) => menu.contains(e.target) || close();
  const open = () => { list.hidden = false; list.lastChild.hidden = !code(); button.setAttribute("aria-expanded", "true"); document.addEventListener("click", outside); list.firstChild.focus(); };
  const close = () => { list.hidden = true; button.setAttribute("aria-expanded", "false"); document.removeEventListener("click", outside); };
  menu.addEventListener("keydown", (e) => {
    const all = [...list.children], at = all.indexOf(document.activeElement), to = { ArrowDown: at + 1, ArrowUp: at - 1 }[e.key];
    if (e.key === "Escape") { close(); button.focus(); }
    else if (to !== undefined && !list.hidden) all[(to + all.length) % all.length].focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  return menu;
}

const how = (e) => (e.altKey ? "not" : e.shiftKey ? "and" : "");

function undoKeys(e, send) {
  if (!(e.ctrlKey || e.metaKey) || e.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(e.target.tagName)) return;
  const key = e.key.toLowerCase();
  const type = key === "y" || (key === "z" && e.shiftKey) ? "redo" : key === "z" ? "undo" : null;
  if (!type) return;
  e.preventDefault();
  e.stopPropagation();
  send({ type });
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
  const again = make("button", { type: "button", class: "fg-fix", onclick: () => location.reload() }, "Reconnect");
  const node = make("div", { class: "fg-error", role: "alert", hidden: true }, line, again, copy);
  const show = (failure) => {
    node.hidden = !failure;
    line.textContent = failure?.error ?? "";
    again.hidden = !(failure?.gone && shared.page);  // the address holds all that is on show: nothing is lost
    details = failure?.details || failure?.error || "";
  };
  return { node, show };
}

// Where a panel shows its trait `sample`, from its top, whenever it is another.
function sampleIn(node, model, leaving) {
  const draw = () => { showHtml(node, model.get("sample").html ?? ""); node.scrollTop = 0; };
  model.on("change:sample", draw);
  leaving(() => model.off("change:sample", draw));
  draw();
}

// A panel that is looked at asks for what others wrote meanwhile, unless an answer is still under way: then it is drawn again, since that
// may be late by now. idle: whether it may be drawn anew at this moment.
function keepFresh(root, post, leaving, redraw, idle = () => true) {
  const tick = setInterval(() => {
    if (!root.isConnected || document.hidden || root.offsetParent === null) return;
    if (post.waiting().length) redraw();
    else if (idle()) post.send("refresh", {}, { quiet: true });
  }, 4000);
  leaving(() => clearInterval(tick));
}

// What of what was said is on disk, and whether the kernel still answers.
function diskLine() {
  const node = make("span", { class: "fg-tag-disk", role: "status" });
  let line = null;
  const show = (root, post, file) => {
    const unsaved = post.waiting().filter((w) => !w.quiet).length + post.held(), late = post.late();
    root.classList.toggle("fg-tag-late", late);
    node.textContent = late ? `kernel busy or gone${unsaved ? `: ${unsaved} not on disk` : ""}` : unsaved ? `${unsaved} not on disk yet` : line ? `on disk, line ${line.toLocaleString("en")}` : "";
    node.title = file;
    node.dataset.unsaved = unsaved;
    node.dataset.line = line ?? "";
  };
  return { node, show, heard: (answer) => { line = answer?.lines.at(-1) ?? line; } };
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
          slow = setTimeout(() => problem.show({ error: "The kernel is busy or gone: it has not answered yet.", gone: true }), 8000);
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

// One sample: requirement, expected and generated side by side. The HTML comes escaped from flow_diff.py.
const FEW = 3;  // up to so many models that are not pinned have a button each

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
    if (node.matches("li")) node.parentElement.setAttribute("role", "group");  // a list has items, and no buttons
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

// Runs of lines that every model has as expected, folded to one line that opens.
const RUN = 3;
function foldRuns(diff) {
  const equal = (n) => n.classList.contains("fd-equal") || (n.classList.contains("fd-block") && n.previousElementSibling?.classList.contains("fd-equal"));
  const fold = (run) => {
    const lines = run.reduce((sum, n) => sum + (n.classList.contains("fd-line") ? 1 : n.querySelectorAll(".fd-line").length), 0);
    if (lines < RUN) return;
    const says = (open) => `${open ? "▾" : "▸"} ${lines} steps as expected`;
    const button = make("button", { type: "button", class: "fd-run", "aria-expanded": "false" }, says(false));
    const show = (open) => {
      button.setAttribute("aria-expanded", String(open));
      button.textContent = says(open);
      run.forEach((n) => n.classList.toggle("fd-folded", !open));
    };
    button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
    button.unfold = () => show(true);
    run.forEach((n) => { n.foldedBy = button; });
    run[0].before(button);
    show(false);
  };
  for (const parent of [diff.querySelector(".fd-lines"), ...diff.querySelectorAll(".fd-block")]) {
    let run = [];
    for (const n of [...(parent?.children ?? [])]) {
      if (equal(n)) run.push(n);
      else { fold(run); run = []; }
    }
    fold(run);
  }
}

// With more models than stand side by side a step is one line: a sign for each model, and the cells below it on a click.
const SIDE = 3;
const SIGN = { "fd-minus": "−", "fd-plus": "+", "fd-other": "~", "fd-moved": "↕" };
function sumUp(diff) {
  const heads = [...diff.querySelectorAll(".fd-heads > .fd-head")].slice(1);
  if (heads.length <= SIDE) return;
  diff.classList.add("fd-many");
  diff.style.setProperty("--models", heads.length);
  for (const line of diff.querySelectorAll(".fd-line:not(.fd-heads)")) {
    const [expected, ...cells] = [...line.children];
    const named = [expected, ...cells].map((c) => c.querySelector(".fd-name, .fd-ghost")).find(Boolean);
    const signs = cells.map((cell, k) => {
      const kind = Object.keys(SIGN).find((css) => cell.matches(`.${css}`) || cell.querySelector(`.fd-label.${css}`));
      const lost = [...cell.querySelectorAll("[data-points]")].reduce((sum, n) => sum + Number(n.dataset.points), 0);
      const none = !kind && cell.classList.contains("fd-blank");
      const text = kind ? SIGN[kind] : none ? "" : "✓";
      const model = heads[k].querySelector(".fd-title > b")?.textContent ?? "";
      return make("span", { class: `fd-sign ${kind ?? ""}`, title: `${model}: ${lost ? `−${(lost / 10).toFixed(1)} points` : none ? "nothing here" : "as expected"}` }, text, lost ? make("b", {}, `−${(lost / 10).toFixed(1)}`) : null);
    });
    const rails = line.querySelector(".fd-rails")?.style.getPropertyValue("--n") || 0;
    const button = make("button", { type: "button", class: "fd-sum", "aria-expanded": "false" }, make("span", { class: "fd-sum-name" }, named?.textContent.trim() ?? ""), ...signs);
    button.style.setProperty("--n", rails);
    button.addEventListener("click", () => button.setAttribute("aria-expanded", String(line.classList.toggle("fd-open-line"))));
    cells.forEach((cell, k) => cell.prepend(make("span", { class: "fd-whose" }, heads[k].querySelector(".fd-title > b")?.textContent ?? "")));
    line.prepend(button);
  }
}

// Where the loss is: a strip beside the flows, a mark for each line that lost, longer for more. A click goes there; n and p do.
function lossMap(diff, body) {
  const lines = [...diff.querySelectorAll(".fd-line:not(.fd-heads)")];
  const found = lines.map((line, i) => {
    const labels = [...line.querySelectorAll(".fd-label")], lost = labels.reduce((sum, n) => sum + Number(n.dataset.points ?? 0), 0);
    return labels.length && { line, at: i, lost, css: Object.keys(SIGN).find((c) => labels.some((n) => n.classList.contains(c))) };
  }).filter(Boolean);
  const strip = make("div", { class: "fd-map", "aria-hidden": "true" });
  const most = Math.max(1, ...found.map((f) => f.lost));
  const go = (f) => {
    for (let block = f.line; block; block = block.parentElement?.closest(".fd-block")) {
      block.foldedBy?.unfold();
      const fold = block.classList.contains("fd-block") ? block.previousElementSibling?.querySelector(".fd-fold") : null;
      if (fold) fold.checked = false;
    }
    f.line.scrollIntoView({ block: "center" });
    lines.forEach((line) => line.classList.toggle("fd-here", line === f.line));
  };
  found.forEach((f) => {
    const mark = make("i", { class: f.css, title: `−${(f.lost / 10).toFixed(1)}` });
    mark.style.top = `${(100 * f.at) / lines.length}%`;
    mark.style.height = `max(3px, ${100 / lines.length}%)`;
    mark.style.width = `${Math.round(25 + (75 * f.lost) / most)}%`;
    mark.addEventListener("click", () => go(f));
    strip.append(mark);
  });
  strip.hidden = lines.length < 8 || !found.length;
  let now = -1;
  return { strip, jump: (by) => {
    if (!found.length) return;
    now = now < 0 && by < 0 ? found.length - 1 : (now + by + found.length) % found.length;
    go(found[now]);
  } };
}

export default panel(({ el, send, leaving }) => {
  const title = make("b");
  const place = make("span", { class: "fg-hint" });
  const models = make("span", { class: "fg-chips", role: "group", "aria-label": "Other models" });
  const add = make("select", { "aria-label": "Pin another model here", onchange: () => add.value && send({ type: "model", value: add.value }) });
  const button = (text, hover, event) => make("button", { type: "button", class: "fg-quiet", title: hover, "aria-label": hover, onclick: () => send(event) }, text);
  const before = button("‹", "Previous sample (←)", { type: "step", value: -1 });
  const after = button("›", "Next sample (→)", { type: "step", value: 1 });
  const read = make("button", { type: "button", class: "fg-quiet fg-read-here", title: "Read it: note and codes beside the flows (r)", onclick: () => send({ type: "reading", value: "sample" }) }, "Read");
  const close = button("✕", "Close (Esc)", { type: "close" });
  const keep = button("+ Report", "Add this sample to the report", { type: "keep", value: "sample" });
  const body = make("div", { class: "fg-sample-body" });
  const map = make("div", { class: "fg-map-of" });
  const view = make("section", { class: "fg-sample", tabindex: "0", "aria-label": "Sample" }, make("header", { class: "fg-sample-head" }, before, after, title, place, models, keep, read, close), make("div", { class: "fg-sample-main" }, body, map));
  const split = divider("sample", "Width of the sample", -1);
  el.append(split, view);
  let jump = () => {};
  view.addEventListener("fg-jump", (e) => jump(e.detail));
  if (!shared.page) leaving(walking(el));
  const kept = { only: false, open: false };
  let shown = null, state = null;
  let html = "";

  view.addEventListener("keydown", (e) => {
    const event = { ArrowLeft: { type: "step", value: -1 }, ArrowRight: { type: "step", value: 1 }, Escape: { type: "close" }, ...(state?.reads && !e.ctrlKey && !e.metaKey && !e.altKey ? { r: { type: "reading", value: "sample" } } : {}) }[e.key];
    if (!event || e.target.tagName === "SELECT") return;
    e.preventDefault();
    e.stopPropagation();
    const flows = e.shiftKey && event.type === "step" ? body : null;
    if (flows) flows.scrollLeft += 280 * event.value;
    else send(event);
  });

  return (next) => {
    state = next;
    const focused = view.contains(document.activeElement) ? document.activeElement.dataset.model ?? "" : null;
    view.hidden = split.hidden = state.id === null;
    const around = el.closest(".fg-panes");
    around?.classList.toggle("fg-with-sample", state.id !== null);
    if (!around) requestAnimationFrame(() => el.closest(".fg-panes")?.classList.toggle("fg-with-sample", !view.hidden));
    title.textContent = state.id ?? "";
    title.title = state.id ?? "";
    place.textContent = state.place;
    keep.hidden = !state.keeps;
    read.hidden = !state.reads;
    before.disabled = state.first;
    after.disabled = state.last;
    const hidden = state.models.filter((m) => !m.on);
    models.hidden = !hidden.length;
    const few = hidden.length <= FEW;
    add.hidden = few;
    add.replaceChildren(make("option", { value: "" }, "+ model"), ...hidden.map((m) => make("option", { value: m.name }, `${m.name}  ${percent(m.score, state.scale)}`)));
    models.replaceChildren(...(few ? hidden : []).map((m) => {
      const dot = make("i", { class: "fg-dot" });
      dot.style.background = m.colour;
      return make("button", { type: "button", class: "fg-chip", "data-model": m.name, title: m.hover, onclick: () => send({ type: "model", value: m.name }) }, make("span", { "aria-hidden": "true" }, "+"), dot, middle(m.name), make("span", { class: "fg-n" }, percent(m.score, state.scale)));
    }), add);
    if (state.html !== html) {
      html = state.html;
      showHtml(body, state.html);
      const diff = body.querySelector(".fd");
      map.replaceChildren();
      jump = () => {};
      if (diff) {
        sumUp(diff);
        link(diff, kept);
        foldRuns(diff);
        const found = lossMap(diff, body);
        map.append(found.strip);
        jump = found.jump;
      }
      if (state.id !== shown) body.scrollTop = body.scrollLeft = 0;
    }
    if (state.id !== null && state.id !== shown) {
      if (getComputedStyle(el.closest(".fg-panes") ?? el).display !== "flex") view.scrollIntoView({ block: "nearest" });
      view.focus({ preventScroll: true });
    } else if (focused !== null && !view.contains(document.activeElement) && !view.hidden) {
      const chip = [...models.children].find((node) => focused && node.dataset.model === focused);
      (chip ?? view).focus({ preventScroll: true });
    }
    shown = state.id;
  };
});

// A field for a slice: names that may come next, the place of a mistake, what was understood, and a chip for each part.
// ask({ text, at }, then): what a text says, and what may stand at a place; the answer's first line. apply(text, then): make it the slice.
// Places are counted in characters, as Python does; the field counts UTF-16 units.
const toPoints = (text, units) => [...text.slice(0, units)].length;
const toUnits = (text, points) => [...text].slice(0, points).join("").length;
const grouped = (n) => n.toLocaleString("en");

function sliceField({ ask, apply, placeholder = "foreach & ~parallel & step:send_email" }) {
  const id = `fg-slice-${Math.random().toString(36).slice(2)}`;
  let shown = "", held = null, now = null, offered = [], place = [0, 0], chosen = -1, pressed = false, dirty = false, timer = null, busy = false, again = null;

  const list = make("ul", { class: "fg-offers", role: "listbox", id: `${id}-list`, "aria-label": "Names that may come next", hidden: true });
  const mirror = make("div", { class: "fg-mirror", "aria-hidden": "true" });
  const input = make("input", {
    type: "text", class: "fg-slice", spellcheck: "false", autocomplete: "off", autocapitalize: "off", placeholder, role: "combobox",
    "aria-label": "Slice", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-describedby": `${id}-said`,
    title: "Features, steps, facts, words and results, joined by & | ~ and brackets. Enter applies, Alt+Enter takes the correction.",
  });
  const count = make("span", { class: "fg-count-of", role: "status" });
  const typed = make("div", { class: "fg-typed" }, mirror, input);
  const node = make("div", { class: "fg-field" }, typed, count, list);
  const mistake = make("div", { class: "fg-error fg-mistake", role: "alert", hidden: true });
  const notes = make("div", { class: "fg-notes", role: "status" });
  const chips = make("div", { class: "fg-parts", role: "group", "aria-label": "Parts of the slice" });
  const words = make("div", { class: "fg-words fg-hint", id: `${id}-said` });
  const below = make("div", { class: "fg-below", hidden: true }, mistake, notes, chips, words);
  below.addEventListener("mousedown", (e) => e.target.closest("button") && e.preventDefault());  // the field keeps the focus, and what is typed in it

  // -- what was understood

  const fixes = (found) => found.map((fix, i) => make("button", { type: "button", class: "fg-fix", title: `Write ${fix.text} instead${i ? "" : " (Alt+Enter)"}`, onclick: () => take(fix.whole) },
    make("code", {}, fix.text), fix.n === null ? null : make("span", { class: "fg-n" }, grouped(fix.n))));
  const told = (problem) => [make("span", { class: "fg-error-line" }, `${problem.line.slice(0, 1).toUpperCase()}${problem.line.slice(1)}${problem.fixes.length ? "; did you mean" : ""}`), ...fixes(problem.fixes)];
  const chip = (part) => make("span", { class: "fg-part" },
    make("button", { type: "button", class: "fg-turn", "aria-pressed": String(part.negated), "aria-label": `Not: ${part.text}`, title: part.negated ? "Ask for it again" : "Ask for the opposite", onclick: () => take(part.turned) }, "~"),
    make("code", { title: part.words }, part.negated ? part.text.slice(1) : part.text),
    part.n === null ? null : make("span", { class: "fg-n", title: `${grouped(part.n)} samples alone` }, grouped(part.n)),
    make("button", { type: "button", class: "fg-drop-part", "aria-label": `Drop ${part.text}`, title: "Drop", onclick: () => take(part.without) }, "×"));

  const mark = (places) => {
    const text = input.value, found = [];
    let last = 0;
    for (const p of [...places].sort((a, b) => a.column - b.column)) {
      const start = toUnits(text, p.column - 1), end = Math.max(start, toUnits(text, p.column - 1 + p.length));
      if (p.column < 1 || start < last) continue;
      found.push(text.slice(last, start), make("u", { class: p.note ? "fg-noted" : "fg-wrong" }, text.slice(start, end) || "\u00a0"));
      last = end;
    }
    mirror.replaceChildren(...found, text.slice(last));
    mirror.scrollLeft = input.scrollLeft;
  };

  const bring = (found) => {
    const seen = found && found.offsetLeft >= input.scrollLeft && found.offsetLeft < input.scrollLeft + input.clientWidth;
    if (found && !seen) mirror.scrollLeft = input.scrollLeft = Math.max(0, found.offsetLeft - 24);
  };

  // A mistake where somebody is still typing is none yet: it waits for Enter, or for the next word.
  const isUnfinished = (wrong) => !pressed && document.activeElement === input && now.text !== shown &&
    (!wrong.length || (!list.hidden && wrong.column - 1 <= place[1] && place[0] < wrong.column + wrong.length));

  const draw = (reading, said) => {
    now = reading;
    const wrong = reading.mistake && !isUnfinished(reading.mistake) ? reading.mistake : null, noted = list.hidden ? reading.notes : [];
    const at = [...below.querySelectorAll("button")].indexOf(document.activeElement), draft = reading.text.trim() !== shown;
    mark(wrong ? [wrong] : noted.map((n) => ({ ...n, note: true })));
    if (wrong && pressed) bring(mirror.querySelector("u"));
    input.setAttribute("aria-invalid", Boolean(wrong));
    mistake.hidden = !wrong;
    mistake.replaceChildren(...(wrong ? told(wrong) : []));
    notes.replaceChildren(...noted.map((n) => make("div", { class: "fg-note" }, ...told(n))));
    const parts = reading.mistake || !reading.text.trim() ? [] : reading.parts;
    chips.hidden = !parts.length;
    chips.replaceChildren(...parts.map(chip));
    words.hidden = Boolean(reading.mistake) || !reading.text.trim();
    const unknown = reading.unknown ? `, ${grouped(reading.unknown)} unknown` : "";
    words.textContent = `${grouped(reading.n)} of ${grouped(reading.total)} samples${unknown}: ${reading.words}${draft ? " – Enter applies" : ""}`;
    words.title = reading.words;
    below.hidden = !wrong && !noted.length && !parts.length && words.hidden;
    if (at >= 0) (below.querySelectorAll("button")[at] ?? input).focus();
  };

  // -- names that may come next

  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (i) => {
    chosen = i;
    [...list.children].forEach((option, k) => option.setAttribute("aria-selected", String(k === i)));
    if (i < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `${id}-${i}`);
    list.children[i].scrollIntoView({ block: "nearest" });
  };
  const offer = (found, at) => {
    const same = found.length === 1 && [...input.value].slice(found[0].start, at).join("") === found[0].text;
    offered = document.activeElement === input && !same ? found : [];
    place = [offered[0]?.start ?? at, at];
    if (!offered.length) return close();
    list.replaceChildren(...offered.map((c, i) => make("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false", onmousedown: (e) => { e.preventDefault(); complete(i); } },
      make("span", { class: "fg-offer-kind" }, c.kind), make("code", {}, c.text), make("span", { class: "fg-offer-title" }, c.title), make("span", { class: "fg-n" }, c.n === null ? "" : grouped(c.n)))));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    choose(-1);
  };
  // One question at a time; the answer to a text that is no longer there is dropped, and the text of now is asked about.
  const read = (offers = true) => {
    clearTimeout(timer);
    if (busy) return void (again = { offers });
    const text = input.value, at = toPoints(text, input.selectionStart ?? text.length);
    busy = true;
    ask({ text, at }, (answer) => {
      busy = false;
      if (again || text !== input.value) {
        const next = again ?? { offers };
        again = null;
        return read(next.offers);
      }
      const found = answer.lines?.[0];
      if (!found) return;
      offers ? offer(found.completions, at) : close();
      draw(found.reading);
    });
  };
  const complete = (i) => {
    const points = [...input.value], before = points.slice(0, offered[i].start).join("") + offered[i].text;
    const after = points.slice(place[1]).join("").replace(/^[\p{L}\p{N}_.*?@:-]+/u, "");
    const goesOn = ["kind", "fact", "model", "word"].includes(offered[i].kind);
    pressed = false;
    dirty = true;
    input.value = before + (goesOn ? after.replace(/^ /, "") : after);
    input.setSelectionRange(before.length, before.length);
    close();
    read(goesOn);
  };

  // -- what is done

  const settle = () => {
    pressed = dirty = false;
    input.value = shown;
    close();
    if (held) draw(held);
  };
  const take = (text) => {
    input.value = text;
    clearTimeout(timer);
    close();
    if (text.trim() === shown) return settle();
    pressed = true;
    dirty = false;
    apply(text, (answer) => (answer.error ? input.value === text && read(false) : input.value === text && settle()));
  };
  const firstFix = () => now?.text === input.value && [now.mistake, ...now.notes].flatMap((p) => p?.fixes ?? [])[0];

  const keys = {
    ArrowDown: () => (list.hidden ? read() : choose((chosen + 2) % (offered.length + 1) - 1)),
    ArrowUp: () => (list.hidden ? false : choose((chosen + 1 + offered.length) % (offered.length + 1) - 1)),
    Enter: (e) => {
      if (e.altKey) firstFix() && take(firstFix().whole);
      else if (chosen >= 0) complete(chosen);
      else take(input.value);
    },
    Tab: (e) => {
      const i = Math.max(chosen, 0);
      if (list.hidden || e.shiftKey || [...input.value].slice(offered[i].start, place[1]).join("") === offered[i].text) return false;
      complete(i);
    },
    Escape: () => {
      if (!list.hidden) return close(), draw(now);
      settle();
      input.blur();
    },
  };
  input.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.isComposing || !keys[e.key] || keys[e.key](e) === false) return;
    e.preventDefault();
  });
  input.addEventListener("input", () => {
    pressed = false;
    dirty = true;
    mark([]);
    input.setAttribute("aria-invalid", "false");
    mistake.hidden = true;
    clearTimeout(timer);
    timer = setTimeout(() => read(), 120);
  });
  input.addEventListener("scroll", () => { mirror.scrollLeft = input.scrollLeft; });
  input.addEventListener("blur", () => {
    close();
    if (input.value.trim() !== shown && !pressed) take(input.value);
  });

  const update = (reading) => {
    held = reading;
    shown = reading.text;
    const unknown = reading.unknown ? `, ${grouped(reading.unknown)} unknown` : "";
    count.textContent = `${grouped(reading.n)} of ${grouped(reading.total)}${unknown}`;
    count.title = reading.unknown ? `${grouped(reading.unknown)} samples are neither in nor out: nobody has judged what decides it` : "";
    if (!dirty || document.activeElement !== input) settle();
  };
  return { node, below, input, update };
}

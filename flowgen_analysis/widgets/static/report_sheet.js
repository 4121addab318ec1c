// The report as cards: what is written, in which order, and the files that were. Text goes in as text; HTML comes escaped from Python.
export default panel(({ el, send, model }) => {
  const controls = make("div", { class: "fg-controls", role: "group", "aria-label": "The report" });
  const busy = make("div", { class: "fg-writing", role: "status" });
  const error = make("div", { class: "fg-error", role: "status" });
  const body = make("div", { class: "fg-answer" });
  const cards = make("ol", { class: "fg-kept", "aria-label": "Findings, in the order of the report" });
  const files = make("div", { class: "fg-files" });
  el.append(make("section", { class: "fg-sheet" }, controls, busy, error, files, body, cards));

  const kinds = {
    select: (c) => make("select", { title: c.hover, onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) },
      ...c.options.map((o) => make("option", { value: o.value, selected: o.value === c.value }, o.title))),
    text: (c) => make("input", { type: "text", class: "fg-entry", placeholder: c.hover, value: c.value, onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) }),
    area: (c) => {
      const area = make("textarea", { class: "fg-entry", rows: "2", placeholder: c.hover, tabindex: "0", onchange: (e) => send({ type: "set", name: c.name, value: e.target.value }) });
      area.value = c.value;
      return area;
    },
    button: (c) => make("button", { type: "button", class: "fg-press", title: c.hover, disabled: c.disabled, onclick: () => send({ type: "press", name: c.name }) }, c.label),
  };
  const drawn = (c) => c.kind === "button" ? kinds.button(c) : make("label", { class: `fg-control fg-${c.kind}` }, make("span", {}, c.label), kinds[c.kind](c));

  // Order: a card is dragged by its grip, or moved with Alt and an arrow; Python hears the whole new order.
  let dragged = null;
  const order = () => [...cards.children].map((c) => c.dataset.file);
  const tell = () => send({ type: "order", files: order() });
  const move = (card, by) => {
    const other = by < 0 ? card.previousElementSibling : card.nextElementSibling;
    if (!other) return;
    by < 0 ? other.before(card) : other.after(card);
    card.querySelector(".fg-grip").focus();
    tell();
  };
  cards.addEventListener("dragover", (e) => {
    const over = e.target.closest?.(".fg-kept-card");
    if (!dragged || !over || over === dragged) return;
    e.preventDefault();
    const box = over.getBoundingClientRect();
    e.clientY < box.top + box.height / 2 ? over.before(dragged) : over.after(dragged);
  });
  cards.addEventListener("drop", (e) => dragged && e.preventDefault());

  function card(c) {
    const edit = (data) => send({ type: "edit", file: c.file, ...data });
    const title = make("input", { class: "fg-entry fg-card-title", "aria-label": "Title", value: c.title, onchange: (e) => edit({ title: e.target.value, note: note.value }) });
    const note = make("textarea", { class: "fg-entry fg-card-note", "aria-label": "Note, Markdown", placeholder: "Note (Markdown)", rows: String(Math.max(2, c.note.split("\n").length)), tabindex: "0", onchange: (e) => edit({ title: title.value, note: e.target.value }) });
    note.value = c.note;
    const grip = make("button", { type: "button", class: "fg-grip", title: "Drag, or Alt with an arrow: another place", draggable: "true", "aria-label": `Move ${c.title}` }, "⠿");
    const up = make("button", { type: "button", class: "fg-quiet", title: "Earlier", onclick: () => move(node, -1) }, "↑");
    const down = make("button", { type: "button", class: "fg-quiet", title: "Later", onclick: () => move(node, 1) }, "↓");
    const drop = make("button", { type: "button", class: "fg-quiet", title: "Out of the report", onclick: () => send({ type: "drop", file: c.file }) }, "Drop");
    const shown = make("div", { class: "fg-answer" });
    showHtml(shown, c.html);
    const node = make("li", { class: "fg-kept-card", "data-file": c.file }, make("div", { class: "fg-card-head" }, grip, title, up, down, drop), note, shown);
    grip.addEventListener("dragstart", (e) => { dragged = node; e.dataTransfer.setDragImage(node, 12, 12); e.dataTransfer.setData("text/plain", c.file); });
    grip.addEventListener("dragend", () => { if (dragged) tell(); dragged = null; });
    node.addEventListener("keydown", (e) => {
      if (!e.altKey || !["ArrowUp", "ArrowDown"].includes(e.key)) return;
      e.preventDefault();
      e.stopPropagation();
      move(node, e.key === "ArrowUp" ? -1 : 1);
    });
    return node;
  }

  // A written file is sent as bytes, and opened or saved by the page.
  model.on("msg:custom", (message, buffers) => {
    if (message.type !== "file" || !buffers?.length) return;
    const url = URL.createObjectURL(new Blob([buffers[0]], { type: message.mime }));
    const link = make("a", { href: url, ...(message.open ? { target: "_blank", rel: "noopener" } : { download: message.name }) });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });

  let timer = null, before = {};
  const differs = (name, value) => {
    const now = JSON.stringify(value);
    const is = before[name] !== now;
    before[name] = now;
    return is;
  };
  return (state) => {
    if (differs("controls", state.controls)) controls.replaceChildren(...state.controls.map(drawn));
    if (differs("writing", state.writing)) {
      clearInterval(timer);
      busy.hidden = !state.writing;
      if (state.writing) {
        const started = Date.now(), said = make("span", {}, "");
        const tick = () => { said.textContent = `writing ${state.writing}, ${Math.round((Date.now() - started) / 1000)} s`; };
        busy.replaceChildren(make("progress", { "aria-label": "Writing" }), " ", said);
        tick();
        timer = setInterval(tick, 1000);
      }
    }
    error.textContent = state.error;
    error.hidden = !state.error;
    if (differs("html", state.html)) showHtml(body, state.html);
    if (differs("files", state.files)) {
      files.replaceChildren(...(state.files ?? []).map((f) => make("div", { class: "fg-file" },
        make("span", {}, `${f.name} · ${f.size}`),
        make("button", { type: "button", class: "fg-quiet", onclick: () => send({ type: "fetch", name: f.name, open: true }) }, "Open"),
        make("button", { type: "button", class: "fg-quiet", onclick: () => send({ type: "fetch", name: f.name, open: false }) }, "Download"))));
    }
    if (differs("cards", state.cards)) cards.replaceChildren(...(state.cards ?? []).map(card));
  };
});

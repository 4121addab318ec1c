// A workbench without Python: what its panels ask for is answered here, from the files beside the page. `bundled` has the panels.
const NEED = 40;  // rows at a time
window.flowgen = { files: {}, put(name, text) { this.files[name] = text; } };

const loaded = {};
function load(name) {
  return (loaded[name] ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `${name}.js`;
    script.onload = () => done(opened(window.flowgen.files[name]));
    script.onerror = () => failed(new Error(`${name}.js is missing beside this page: copy the whole folder`));
    document.head.append(script);
  }));
}

async function opened(text) {
  if (!("DecompressionStream" in window)) throw new Error("This browser is too old to open the bundle: use one of 2023 or later");
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

// What a panel takes for its kernel: values that it reads and is told of, and an answer to each event.
function localModel(values, handle) {
  const heard = {};
  const tell = (name, said) => [...(heard[name] ?? [])].forEach((f) => f(said));
  return {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; tell(`change:${name}`); },
    on: (name, f) => (heard[name] ??= []).push(f),
    off: (name, f) => { heard[name] = (heard[name] ?? []).filter((g) => g !== f); },
    send: async ({ events }) => {
      for (const event of events) {
        let error = "";
        try { await handle(event); } catch (problem) { error = problem.message; }
        tell("msg:custom", { type: "done", seq: event.seq, lines: [], error });
      }
    },
  };
}

const members = (packed) => { const bytes = atob(packed); return (i) => Boolean(bytes.charCodeAt(i >> 3) & (1 << (i & 7))); };

// The samples that are asked for: parts that all have to hold, and words.
function choose(data, asked) {
  const held = asked.parts.map((p) => { const has = members(data.members[p.text]); return (i) => has(i) !== p.not; });
  const words = asked.find.toLowerCase().split(/\s+/).filter(Boolean);
  const said = (row) => words.every((w) => row.text.includes(w));
  const at = data.models.indexOf(asked.rank), value = (row) => (at < 0 ? row.mean : row.scores[at]) ?? (asked.reverse ? -Infinity : Infinity);
  const found = data.rows.filter((row, i) => held.every((has) => has(i)) && said(row));
  return found.sort((a, b) => (value(a) - value(b)) * (asked.reverse ? -1 : 1) || 0);
}

async function start(bundled) {
  const data = await load("list");
  data.rows.forEach((row) => { row.text = `${row.id} ${row.requirement} ${row.domain}`.toLowerCase(); });
  const asked = { parts: [], find: "", rank: data.list.rank, reverse: false, selected: null, sheet: data.sheets[0].title };
  let order = [];
  const list = localModel({ group: "list" }, (e) => act(e)), view = localModel({ group: "view" }, (e) => act(e)), sheet = localModel({ group: "sheet", progress: {} }, (e) => act(e));
  const shown = (row) => ({ ...row, value: asked.rank === data.list.rank ? row.mean : row.scores[data.models.indexOf(asked.rank)] });
  const window_ = (at) => { const from = Math.max(0, Math.min(at, order.length - NEED)); return { start: from, rows: order.slice(from, from + NEED).map(shown) }; };
  const place = () => order.findIndex((row) => row.id === asked.selected);
  const drawList = (at = 0) => {
    order = choose(data, asked);
    const mean = asked.rank === data.list.rank;
    list.set("rows", window_(at));
    list.set("state", { ...data.list, n: order.length, all: data.rows.length, groups: data.groups, parts: asked.parts, rank: asked.rank, reverse: asked.reverse, kind: mean ? "mean" : "score", ranked: mean ? "" : asked.rank, title: asked.rank, selected: asked.selected, at: place() });
  };
  const drawSample = async () => {
    const row = data.rows.find((r) => r.id === asked.selected), at = place();
    const page = row && (await load(`samples-${row.page}`));
    const text = at >= 0 ? `${at + 1} of ${order.length}` : "not among those listed";
    view.set("state", row ? { ...page[row.id], place: text, first: at <= 0, last: at < 0 || at === order.length - 1 } : { id: null, place: "", models: [], html: "", first: true, last: true });
  };
  const drawSheet = () => {
    const now = data.sheets.find((s) => s.title === asked.sheet);
    const options = data.sheets.map((s) => ({ value: s.title, title: s.title }));
    sheet.set("state", { title: "", controls: [{ kind: "select", name: "sheet", label: "", value: now.title, hover: "What stands here", options }], html: now.html, error: "", code: now.code });
  };
  const only = (text, how) => {
    if (text && !data.members[text]) throw new Error("this slice is not in the bundle");
    asked.parts = [...(how ? asked.parts : []), ...(text ? [{ text, not: how === "not" }] : [])];
  };
  const doing = {
    set: (e) => { asked.sheet = e.value; drawSheet(); },
    see: (e) => { only(e.text, ""); asked.rank = data.models.includes(e.model) ? e.model : asked.rank; asked.reverse = false; drawList(); },
    slice: (e) => { only(e.text, e.how); drawList(); },
    cause: (e) => { only(data.causes[`${e.kind} ${data.models.indexOf(e.model)}`], "and"); drawList(); },
    part: (e) => { asked.parts = asked.parts.filter((_, i) => i !== e.at); drawList(); },
    find: (e) => { asked.find = e.text; drawList(); },
    reset: () => { asked.parts = []; asked.find = ""; drawList(); },
    rank: (e) => { asked.reverse = e.value === asked.rank && !asked.reverse; asked.rank = e.value; drawList(); },
    rows: (e) => list.set("rows", window_(e.at)),
    sample: (e) => doing.select(e),
    select: async (e) => { asked.selected = e.id; drawList(Math.max(0, place() - NEED / 4)); await drawSample(); },
    step: async (e) => { const to = order[place() + e.value]; if (place() >= 0 && to) await doing.select(to); },
    close: async () => { asked.selected = null; drawList(list.get("rows").start); await drawSample(); },
  };
  const act = (e) => doing[e.type]?.(e);
  drawSheet();
  drawList();
  await drawSample();
  for (const [name, model] of [["sheet", sheet], ["list", list], ["view", view]]) bundled[name].render({ model, el: document.getElementById(name) });
}

start(bundled).catch((problem) => { const line = document.getElementById("problem"); line.textContent = problem.message; line.hidden = false; });

// A plotly figure. The library comes from Python, once a page, whichever chart asks first: five megabytes in each chart would
// make every one of them slow, and some fail.
const ARRIVED = "flowgen-analysis-plotly";

export default panel(({ el, send, model, leaving }) => {
  const box = make("div", { class: "fg-plot" });
  el.append(box);
  let state = null, width = 0;

  const received = (content, buffers) => {
    if (content.type !== "plotly" || shared.plotly) return;
    const module = { exports: {} };
    new Function("module", "exports", "define", new TextDecoder().decode(buffers[0]))(module, module.exports, undefined);
    shared.plotly = module.exports;
    window.dispatchEvent(new Event(ARRIVED));
  };
  const ask = () => {
    if (shared.plotly || Date.now() - shared.asked < 4000) return;
    shared.asked = Date.now();
    model.send({ type: "plotly" });
  };
  const show = () => {
    if (!shared.plotly || !state || !box.clientWidth) return;
    width = box.clientWidth;
    el.classList.remove("fg-loading");
    shared.plotly.react(box, state.data, { ...state.layout, width }, { displayModeBar: false });
  };

  const watch = new ResizeObserver(() => { if (box.clientWidth !== width) show(); });
  const again = setInterval(() => (shared.plotly ? clearInterval(again) : ask()), 1000);
  watch.observe(box);
  window.addEventListener(ARRIVED, show);
  model.on("msg:custom", received);
  leaving(() => {
    watch.disconnect();
    clearInterval(again);
    window.removeEventListener(ARRIVED, show);
    model.off("msg:custom", received);
    shared.plotly?.purge(box);
  });
  el.classList.add("fg-loading");
  ask();

  return (next) => {
    state = next;
    box.style.minHeight = `${state.layout.height}px`;
    show();
  };
});

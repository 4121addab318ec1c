// The address of the page says what is on show: a change is a step that the browser's Back undoes, and an address that is opened, typed
// or gone back to is asked for. While one is being brought back nothing is written: the last one asked for wins.
export default panel(({ el, send, model, leaving }) => {
  const told = make("div", { class: "fg-error fg-wrong", role: "status", hidden: true });
  el.append(told);
  let asked = 0, first = true;
  const here = () => location.hash.slice(1);
  const write = (text, fresh) => {
    const query = new URLSearchParams(location.search);
    if (text === here() && !query.has("token")) return;
    query.delete("token");  // the cookie lets the page in again
    const path = `${location.pathname}${query.size ? `?${query}` : ""}#${text}`;
    fresh ? history.pushState(null, "", path) : history.replaceState(null, "", path);
  };
  const ask = () => {
    asked++;
    send({ type: "address", text: here() }, { own: true, then: (answer) => {
      asked--;
      if (answer.error) say([answer.error]);
      if (!asked && model.get("state").text) write(model.get("state").text, false);
    } });
  };
  const say = (lines) => {
    told.hidden = !lines.length;
    told.textContent = lines.join("; ");
  };
  window.addEventListener("popstate", ask);
  leaving(() => window.removeEventListener("popstate", ask));
  shared.page = true;

  return (state) => {
    if (state.text === undefined) return;
    document.title = state.title;
    say(state.wrong ?? []);
    if (first && here() && here() !== state.text) ask();
    else if (!asked) write(state.text, !first && state.text !== here());
    first = false;
  };
});

// A row of tabs: arrow keys move, one of them can be reached with Tab.
export default panel(({ el, send }) => {
  const list = make("div", { class: "fg-tabs", role: "tablist", "aria-label": "Views" });
  el.append(list);
  list.addEventListener("keydown", (e) => {
    const tabs = [...list.children];
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[e.key];
    if (to === undefined || at < 0) return;
    e.preventDefault();
    e.stopPropagation();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    next.click();
  });
  return (state) => {
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...state.tabs.map((t) => make("button", { type: "button", role: "tab", class: "fg-tab", tabindex: t.on ? "0" : "-1", "aria-selected": String(t.on), title: t.hover, onclick: () => send({ type: "tab", name: t.name }) }, t.name)));
    if (focused) list.querySelector('[aria-selected="true"]').focus();
  };
});

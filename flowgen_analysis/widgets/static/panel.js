// What every panel shares. Text from data only ever goes in through textContent and attributes.
// What can hold the focus says that its keys are its own, or Lab takes them (`b` adds a cell).
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

// A panel draws its state whenever it changes, and sends events. It looks busy only when the answer takes its time.
function panel(draw) {
  return {
    render({ model, el }) {
      el.classList.add("fg");
      let timer = null;
      const send = (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => el.classList.add("fg-busy"), 150);
        model.send(event);
      };
      const ends = [];
      const update = draw({ el, send, model, leaving: (end) => ends.push(end) });
      const changed = () => {
        clearTimeout(timer);
        el.classList.remove("fg-busy");
        update(model.get("state"));
      };
      model.on("change:state", changed);
      changed();
      return () => {
        model.off("change:state", changed);
        ends.forEach((end) => end());
      };
    },
  };
}

const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1));

// Functions that create elements. All texts are inserted as text, never as HTML.

const NAMESPACE = document.getElementById("mark").namespaceURI;

/** Create an element. attributes: `class`, any attribute, `on`: listeners, `data`: data-… values. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Create an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(NAMESPACE, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    } else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

/** Append children: elements, texts, lists of these. null, undefined and false are skipped. */
export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Replace the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, ...children);
}

const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex]";

/** Redraw an element, and keep the keyboard focus where it was. */
export function refill(element, ...children) {
  const at = [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  fill(element, ...children);
  if (at >= 0) element.querySelectorAll(FOCUSABLE)[at]?.focus({ preventScroll: true });
}

/** Show a message that a screen reader also reads aloud. */
export function say(text) {
  const place = document.getElementById("said");
  fill(place, h("p", {}, text));
  clearTimeout(say.ending);
  say.ending = setTimeout(() => place.replaceChildren(), 6000);
}

/** Run a function a little later. Calls until then are combined into one. */
export function settled(act, milliseconds = 250) {
  let waiting = null;
  return () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      act();
    }, milliseconds);
  };
}

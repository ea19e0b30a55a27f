// Elements. Every text goes in as text: nothing here reads HTML.

const NAMESPACE = document.getElementById("mark").namespaceURI;

/** Make an element. attributes: `class`, any attribute, `on` for listeners, `data` for data-…. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an element of a picture. */
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

/** Add children: elements, texts, lists of them; nothing for null, undefined and false. */
export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Put children in the place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, ...children);
}

const FOCUSABLE = "a, button, input, select, textarea, summary, [tabindex]";

/** Draw an element anew; the keyboard's focus stays where it was. */
export function refill(element, ...children) {
  const at = [...element.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  fill(element, ...children);
  if (at >= 0) element.querySelectorAll(FOCUSABLE)[at]?.focus({ preventScroll: true });
}

/** Say something that a screen reader reads aloud, too. */
export function say(text) {
  const place = document.getElementById("said");
  fill(place, h("p", {}, text));
  clearTimeout(say.ending);
  say.ending = setTimeout(() => place.replaceChildren(), 6000);
}

/** Run something soon after a call; calls until then are one. */
export function settled(act, milliseconds = 250) {
  let waiting = null;
  return () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      act();
    }, milliseconds);
  };
}

// Keyboard shortcuts: for views, for the rows of lists, for the filter. They can be switched off.

import { h } from "./dom.js";
import { open } from "./dialog.js";

const OFF = "orchestrator.shortcuts-off";
const LISTS = [
  ["j / k", "next and previous row of a list"],
  ["Enter", "open the row"],
  ["/", "to the first filter"],
  ["?", "this help"],
  ["Esc", "close a dialog"],
];
let isGoing = false;

const isOff = () => sessionStorage.getItem(OFF) === "yes";

export function begin({ views, isIn }) {
  document.addEventListener("keydown", (event) => {
    if (!isIn() || isOff() || isElsewhere(event)) return;
    if (press(event.key, views())) event.preventDefault();
  });
}

function isElsewhere(event) {
  const inField = event.target.closest?.("input, select, textarea, dialog");
  return event.ctrlKey || event.metaKey || event.altKey || inField;
}

function press(key, views) {
  if (isGoing) {
    isGoing = false;
    const view = views.find((one) => one.key === key);
    if (view) location.hash = `#/${view.path}`;
    return Boolean(view);
  }
  if (key === "g") return (isGoing = true);
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (key === "/") return focus(document.querySelector("#main .filters :is(input, select)"));
  if (key === "?") return help(views);
  return false;
}

function step(by) {
  const rows = [...document.querySelectorAll("#main tbody th :is(a, button), #main [data-row]")];
  const at = rows.findIndex((one) => one === document.activeElement);
  return focus(rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by]);
}

function focus(element) {
  element?.focus();
  return Boolean(element);
}

export function help(views) {
  const lines = [...views.map((one) => [`g ${one.key}`, `to ${one.title}`]), ...LISTS];
  const box = h("input", { type: "checkbox", id: "shortcuts-on", checked: !isOff() });
  box.addEventListener("change", () => sessionStorage.setItem(OFF, box.checked ? "no" : "yes"));
  open({
    title: "Shortcuts",
    content: [
      h("dl", { class: "keys" }, lines.map(([key, does]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)))),
      h("label", { class: "check" }, box, " Shortcuts are on in this tab"),
    ],
  });
  return true;
}

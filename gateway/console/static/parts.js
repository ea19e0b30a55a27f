// Elements that all views share: statuses, amounts, times, facts, empty lists, refusals.

import { h } from "./dom.js";
import { ago, money, short, time, tone, words } from "./format.js";

export const badge = (status) => h("span", { class: `badge ${tone(status)}` }, words(status));

export function amount(text, currency) {
  if (text === null || text === undefined) return none();
  return h("span", { class: "amount" }, money(text), currency && h("small", {}, ` ${currency}`));
}

/** A signed amount. The sign is printed, so the meaning does not depend on colour alone. */
export function signed(text) {
  const isLess = String(text).startsWith("-");
  const isZero = /^-?0(\.0+)?$/.test(text);
  const shown = isLess || isZero ? text : `+${text}`;
  const kind = isZero ? "" : isLess ? " less" : " more";
  return h("span", { class: `amount${kind}` }, money(shown));
}

export function when(at) {
  if (!at) return none();
  return h("time", { datetime: at, title: `${time(at)} (${at})`, data: { ago: "" } }, ago(at));
}

/** Update all relative times that are shown. */
export function renew() {
  for (const one of document.querySelectorAll("time[data-ago]")) one.textContent = ago(one.dateTime);
}

export const moment = (at) => (at ? h("time", { datetime: at, title: at }, time(at)) : none());

export const none = () => h("span", { class: "none" }, "–");

export const code = (text) => (text ? h("code", { title: text }, short(text)) : none());

/** A complete id or hash, with a button that copies it. */
export function copied(text, { whole = true } = {}) {
  if (!text) return none();
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text).catch(() => {});
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return h("span", { class: "copied" }, h("code", { title: text }, whole ? text : short(text)), button);
}

export const link = (href, ...text) => h("a", { href }, ...text);

/** A link to another site, without a referrer. Only https links are followed. */
export const outside = (href, text = href) =>
  href.startsWith("https://")
    ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text)
    : h("code", {}, href);

/** A list of names and values. */
export const facts = (pairs) =>
  h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value ?? none()))),
  );

export const empty = (what, hint) =>
  h("div", { class: "empty" }, h("p", { class: "what" }, what), hint && h("p", {}, hint));

/** A refusal of the API: its code, its message, and its details. */
export function trouble(error, again) {
  const { required_scope: scope, fields } = error.details ?? {};
  return h(
    "div",
    { class: "trouble", role: "alert" },
    h("p", {}, h("strong", {}, error.code ?? "ERROR"), " ", error.message),
    scope && h("p", {}, `This credential lacks the scope “${scope}”.`),
    Array.isArray(fields) && h("ul", {}, fields.map((one) => h("li", {}, `${one.field}: ${one.message ?? one.problem ?? ""}`))),
    error.requestId && h("p", { class: "fine" }, "Request ", h("code", {}, error.requestId)),
    again && h("button", { type: "button", on: { click: again } }, "Try again"),
  );
}

export const panel = (title, ...content) => {
  const id = `p-${title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  return h("section", { class: "panel", "aria-labelledby": id }, h("h2", { id }, title), ...content);
};

/** The head of a view: its title, additional facts, and its actions. */
export const head = (title, beside = [], actions = []) =>
  h("div", { class: "head" }, h("h1", {}, title), beside, h("div", { class: "actions" }, actions));

export const button = (text, act, kind = "") =>
  h("button", { type: "button", class: kind, on: { click: act } }, text);

/** A table. columns: title, cell(row), and `number` for columns of amounts. */
export function table(columns, rows, { caption, rowClass } = {}) {
  const cells = (row) =>
    columns.map((one, place) =>
      h(place === 0 ? "th" : "td", {
        scope: place === 0 ? "row" : undefined,
        class: one.number ? "number" : undefined,
        data: { label: one.title },
      }, one.cell(row)),
    );
  return h(
    "table",
    {},
    caption && h("caption", {}, caption),
    h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.number ? "number" : undefined }, one.title)))),
    h("tbody", {}, rows.map((row) => h("tr", { class: rowClass?.(row) }, cells(row)))),
  );
}

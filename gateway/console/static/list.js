// A list of the API that is read page by page, with filters in the address, and updated live.

import { all, read } from "./api.js";
import { fill, h, settled } from "./dom.js";
import { button, empty, table, trouble } from "./parts.js";
import { note } from "./places.js";
import { listen } from "./stream.js";

/**
 * Show a list. path: in the API. columns: of the table; the first cell links to the row. query():
 * returns the current filters. concerns(event): returns whether to read the list again after an event.
 */
export function list({ path, columns, query = () => ({}), none, concerns, signal, caption, id = (row) => row.id }) {
  const place = h("div", { class: "list" });
  const seen = new Map();
  let rows = [];
  let cursor = null;
  let read_at = 0;

  async function load({ isNext = false } = {}) {
    const now = (read_at += 1);
    try {
      const page = await pages(isNext);
      if (now !== read_at) return;
      rows = isNext ? [...rows, ...page.data] : page.data;
      cursor = page.nextCursor;
      draw();
    } catch (error) {
      if (error.name !== "AbortError" && now === read_at) fill(place, trouble(error, () => load()));
    }
  }

  async function pages(isNext) {
    if (isNext) return read(path, { ...query(), cursor, limit: 50 }, { signal });
    if (rows.length <= 50) return read(path, { ...query(), limit: 50 }, { signal });
    // Rows that the user has opened stay open when the list is read again.
    const { rows: data, isWhole } = await all(path, query(), { most: rows.length, signal });
    return { data, nextCursor: isWhole ? null : cursor };
  }

  function draw() {
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const rowClass = (row) => (changed(seen, id(row), JSON.stringify(row)) ? "changed" : undefined);
    fill(
      place,
      rows.length ? table(columns, rows, { caption, rowClass }) : empty(...none()),
      cursor && button("Show more", () => load({ isNext: true }), "more"),
    );
    if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  const again = settled(() => load(), 500);
  if (concerns) signal.addEventListener("abort", listen(again, concerns));
  return { place, load, again };
}

function changed(seen, id, text) {
  const before = seen.get(id);
  seen.set(id, text);
  return seen.size > 1 && before !== undefined && before !== text;
}

/**
 * The filters of a list, kept in the address. fields: name, label, and the options of a choice, or an
 * input type. values: as the user wrote them. asked(): as the API expects them.
 */
export function filters({ path, fields, query, changed: act }) {
  const values = Object.fromEntries(fields.map(({ name }) => [name, query[name] ?? ""]));
  // A day is sent as its first moment. The last day of a range is sent as the moment after it.
  const asked = () => Object.fromEntries(fields.map((one) => [one.name, moment(values[one.name], one)]));
  const apply = settled(() => {
    note(path, values);
    act();
  });
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filters" },
    fields.map((one) => {
      const id = `filter-${one.name}`;
      const input = one.options
        ? h("select", { id }, h("option", { value: "" }, one.any ?? "Any"),
            one.options.map(([value, text]) => h("option", { value, selected: value === values[one.name] }, text)))
        : h("input", { id, type: one.type ?? "search", value: values[one.name], autocomplete: "off", spellcheck: "false" });
      input.addEventListener("input", () => {
        values[one.name] = input.value.trim();
        apply();
      });
      return h("div", { class: "field" }, h("label", { for: id }, one.label), input);
    }));
  form.addEventListener("submit", (event) => event.preventDefault());
  return { form, values, asked };
}

function moment(text, { type, isLast }) {
  if (type !== "date" || !text) return text;
  const day = new Date(`${text}T00:00:00.000Z`);
  if (isLast) day.setUTCDate(day.getUTCDate() + 1);
  return Number.isNaN(day.getTime()) ? "" : day.toISOString();
}

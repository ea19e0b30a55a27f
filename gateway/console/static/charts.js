// Charts as SVG: bars, and a step line. Each chart also has its figures as text.

import { h, svg } from "./dom.js";
import { day, time } from "./format.js";

const WIDTH = 360;
const ROW = 26;
const LABEL = 130;
const HEIGHT = 180;
const EDGE = { left: 8, right: 8, top: 26, bottom: 24 };

/** Draw horizontal bars, one below another. rows: name, value, and the value as text. */
export function bars(rows) {
  const most = Math.max(...rows.map((one) => one.value), 1);
  const room = WIDTH - LABEL - 40;
  return picture(
    rows.map((one) => `${one.name}: ${one.text}`).join("; "),
    rows.length * ROW,
    rows.map((one, place) => {
      const y = place * ROW;
      const width = one.value ? Math.max((room * one.value) / most, 2) : 0;
      return svg("g", {},
        svg("text", { class: "label", x: LABEL - 8, y: y + 17, "text-anchor": "end" }, one.name),
        svg("rect", { class: "bar", x: LABEL, y: y + 5, width, height: ROW - 10, rx: 3 }),
        svg("text", { class: "figure", x: LABEL + width + 6, y: y + 17 }, one.text));
    }),
  );
}

/** Draw a step line. points: at (milliseconds) and value, oldest first. */
export function steps(points, { text }) {
  const [first, last] = [points[0], points.at(-1)];
  const most = Math.max(...points.map((one) => one.value), 1);
  const span = Math.max(last.at - first.at, 1);
  const x = (at) => EDGE.left + ((WIDTH - EDGE.left - EDGE.right) * (at - first.at)) / span;
  const base = HEIGHT - EDGE.bottom;
  const y = (value) => base - ((base - EDGE.top) * value) / most;
  let path = `M${x(first.at)} ${base}`;
  for (const one of points) path += `H${x(one.at).toFixed(1)}V${y(one.value).toFixed(1)}`;
  const name = span > 2 * 86400000 ? day : time;
  const said = `From ${name(first.at)} to ${name(last.at)}: at most ${text(most)}, now ${text(last.value)}`;
  return picture(said, HEIGHT, [
    svg("path", { class: "area", d: `${path}V${base}Z` }),
    svg("path", { class: "line", d: path }),
    svg("line", { class: "axis", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: base, y2: base }),
    svg("text", { class: "figure", x: EDGE.left, y: 16 }, `most ${text(most)}`),
    svg("text", { class: "figure", x: WIDTH - EDGE.right, y: 16, "text-anchor": "end" }, `now ${text(last.value)}`),
    svg("text", { class: "label", x: EDGE.left, y: HEIGHT - 6 }, name(first.at)),
    svg("text", { class: "label", x: WIDTH - EDGE.right, y: HEIGHT - 6, "text-anchor": "end" }, "now"),
  ]);
}

const picture = (said, height, children) =>
  h("div", { class: "chart" }, svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": said }, children));

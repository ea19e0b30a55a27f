// The views: their addresses behind the #, their titles, keys, and the modules that show them.

const load = (name) => () => import(`./views/${name}.js`);

/** Views of the menu. key: goes there after g. */
export const VIEWS = [
  { path: "orders", title: "Orders", key: "o", load: load("orders") },
];
const MORE = [
  { path: "orders", title: "Order", load: load("order"), hasId: true },
];

/** Read an address: #/orders/ord_…?status=… */
export function find(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first, id, ...rest] = path.split("/").map(decoded);
  const among = id ? MORE : VIEWS;
  const view = rest.length ? undefined : among.find((one) => one.path === first);
  return { view, params: { id }, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Write an address of a view with its filters, without reading the view anew. */
export function note(path, query) {
  const given = Object.entries(query).filter(([, value]) => value);
  const text = given.length ? `?${new URLSearchParams(given)}` : "";
  history.replaceState(null, "", `#/${path}${text}`);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

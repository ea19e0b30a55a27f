// The views: their addresses behind the #, their titles, keys, and the modules that show them.

const load = (name) => () => import(`./views/${name}.js`);

/** Views of the menu. key: goes there after g. */
export const VIEWS = [
  { path: "overview", title: "Overview", key: "v", load: load("overview") },
  { path: "orders", title: "Orders", key: "o", load: load("orders") },
  { path: "users", title: "Users", key: "u", load: load("users") },
  { path: "disputes", title: "Disputes", key: "d", load: load("disputes") },
  { path: "withdrawals", title: "Withdrawals", key: "w", load: load("withdrawals") },
  { path: "books", title: "Books", key: "b", load: load("books") },
  { path: "webhooks", title: "Webhooks", key: "h", load: load("webhooks") },
  { path: "events", title: "Events", key: "e", load: load("events") },
  { path: "keys", title: "API keys", key: "k", load: load("keys") },
];
const MORE = [
  { path: "orders", title: "Order", load: load("order") },
  { path: "users", title: "User", load: load("user") },
  { path: "disputes", title: "Dispute", load: load("dispute") },
  { path: "webhooks", title: "Webhook", load: load("webhook") },
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

// The views: their addresses behind the #, titles, keys, and the modules that show them.

const load = (name) => () => import(`./views/${name}.js`);

/**
 * Views of the menu. key: pressed after g, it opens the view. for: who sees the view besides API keys:
 * people of support, or people with a token of the party API. Without it, only API keys see the view.
 */
export const VIEWS = [
  { path: "overview", title: "Overview", key: "v", load: load("overview") },
  { path: "orders", title: "Orders", key: "o", load: load("orders"), for: ["support"] },
  { path: "users", title: "Users", key: "u", load: load("users") },
  { path: "disputes", title: "Disputes", key: "d", load: load("disputes"), for: ["support"] },
  { path: "withdrawals", title: "Withdrawals", key: "w", load: load("withdrawals") },
  { path: "books", title: "Books", key: "b", load: load("books") },
  { path: "webhooks", title: "Webhooks", key: "h", load: load("webhooks") },
  { path: "audit", title: "Audit", key: "a", load: load("audit"), for: ["support"] },
  { path: "requests", title: "Requests", key: "r", load: load("requests") },
  { path: "events", title: "Events", key: "e", load: load("events") },
  { path: "keys", title: "API keys", key: "k", load: load("keys") },
  { path: "mine", title: "My orders", key: "m", load: load("mine"), for: ["person"], only: true },
];
const MORE = [
  { path: "orders", title: "Order", load: load("order") },
  { path: "users", title: "User", load: load("user") },
  { path: "disputes", title: "Dispute", load: load("dispute") },
  { path: "webhooks", title: "Webhook", load: load("webhook") },
];

/** Return the kind of a credential: an API key, a person of support, or a person of the party API. */
export function kind(me) {
  if (me.public_id) return "person";
  return me.supportId ? "support" : "key";
}

/** Return the views that the menu shows for a credential. */
export const menu = (me) =>
  VIEWS.filter((one) => (kind(me) === "key" ? !one.only : one.for?.includes(kind(me))));

/** Parse an address: #/orders/ord_…?status=… */
export function find(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first, id, ...rest] = path.split("/").map(decoded);
  const among = id ? MORE : VIEWS;
  const view = rest.length ? undefined : among.find((one) => one.path === first);
  return { view, params: { id }, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** Write a view's filters into the address, without loading the view again. */
export function note(path, query) {
  // The user may have opened another view since they typed.
  if (location.hash.split("?")[0] !== `#/${path}`) return;
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

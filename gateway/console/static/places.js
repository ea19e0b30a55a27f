// The views: their addresses behind the #, their titles, keys, and the modules that show them.

const load = (name) => () => import(`./views/${name}.js`);

/**
 * Views of the menu. key: goes there after g. for: people of support, or a person with a token of
 * the party API, see it, too; a view without it is for API keys alone.
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

/** Return who a credential is: an API key, somebody of support, or a person of the party API. */
export function kind(me) {
  if (me.public_id) return "person";
  return me.supportId ? "support" : "key";
}

/** Return the views that a credential sees in the menu. */
export const menu = (me) =>
  VIEWS.filter((one) => (kind(me) === "key" ? !one.only : one.for?.includes(kind(me))));

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
  // Somebody may have gone on since they typed.
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

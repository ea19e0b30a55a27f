// The caller's credential: kept in this tab alone, and never in an address.

const KEY = "orchestrator.credential";
const FRAGMENT = "#key=";

export const credential = () => sessionStorage.getItem(KEY);

export const keep = (text) => sessionStorage.setItem(KEY, text);

export const forget = () => sessionStorage.removeItem(KEY);

/** Take the credential of a sign-in link, and remove it from the address and the history. */
export function takeFromAddress() {
  if (!location.hash.startsWith(FRAGMENT)) return;
  const text = location.hash.slice(FRAGMENT.length);
  history.replaceState(null, "", location.pathname);
  try {
    keep(decodeURIComponent(text));
  } catch {
    // It is not a credential; the sign-in page asks for one.
  }
}

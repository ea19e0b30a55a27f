// The caller's credential. It is stored only in this tab, and never in an address.

const KEY = "orchestrator.credential";
const FRAGMENT = "#key=";

export const credential = () => sessionStorage.getItem(KEY);

export const keep = (text) => sessionStorage.setItem(KEY, text);

export const forget = () => sessionStorage.removeItem(KEY);

/** Read the credential of a sign-in link, and remove it from the address and the history. */
export function takeFromAddress() {
  if (!location.hash.startsWith(FRAGMENT)) return;
  const text = location.hash.slice(FRAGMENT.length);
  history.replaceState(null, "", location.pathname);
  try {
    keep(decodeURIComponent(text));
  } catch {
    // It is not a credential, so the sign-in page is shown.
  }
}

// The console: the signed-in caller, the current view, and the frame around it.

import { get } from "./api.js";
import { fill, h, say } from "./dom.js";
import * as explorer from "./explorer.js";
import * as keyboard from "./keyboard.js";
import { words } from "./format.js";
import { renew, trouble } from "./parts.js";
import { find, kind, menu } from "./places.js";
import * as session from "./session.js";
import * as stream from "./stream.js";
import { showSignIn } from "./views/signin.js";

const main = document.getElementById("main");
const nav = document.getElementById("views");
const who = document.getElementById("who");
const live = document.getElementById("live");
// The first view for each kind of credential.
const HOME = { key: "overview", support: "disputes", person: "mine" };
const STATES = { off: "", connecting: "Connecting", live: "Live", polling: "Every 10 s" };

let me = null;
let leaveView = () => {};
let shown = 0;

/** Sign in with the credential of this tab, or show the sign-in page. */
async function enter() {
  if (!session.credential()) return askForCredential();
  try {
    [me] = await Promise.all([get("/me"), explorer.learn()]);
  } catch (error) {
    if (error.status === 401) return askForCredential(error);
    return fill(main, trouble(error, enter));
  }
  frame();
  // Remove the events of the previous credential.
  stream.stop();
  stream.start();
  await show();
}

function frame() {
  const marketplace = me.marketplace && h("span", {}, me.marketplace);
  const name = h("span", { class: "fine" }, me.name || me.keyId || me.public_id);
  fill(who, marketplace, me.environment && environment(), name);
  fill(nav, menu(me).map((one) => h("a", { href: `#/${one.path}`, data: { path: one.path } }, one.title)));
  for (const id of ["views", "leave", "help"]) document.getElementById(id).hidden = false;
}

const environment = () =>
  h("span", { class: `badge ${me.environment === "live" ? "warn" : "plain"}` }, `${words(me.environment)} environment`);

function askForCredential(error) {
  leave();
  showSignIn(main, { error, enter: (text) => (session.keep(text), enter()) });
  document.title = "Sign in · Orchestrator";
}

function leave() {
  leaveView();
  leaveView = () => {};
  shown += 1;
  stream.stop();
  session.forget();
  me = null;
  who.replaceChildren();
  for (const id of ["views", "leave", "help"]) document.getElementById(id).hidden = true;
}

/** Show the view that the address names. */
async function show() {
  if (!me) return;
  const { view, params, query } = find(location.hash);
  if (!view) {
    history.replaceState(null, "", `#/${HOME[kind(me)]}`);
    return show();
  }
  const now = (shown += 1);
  leaveView();
  const ends = new AbortController();
  leaveView = () => ends.abort();
  mark(view);
  document.title = `${view.title} · Orchestrator`;
  const place = h("div", { class: "view" }, h("p", { class: "loading", role: "status" }, "Loading…"));
  fill(main, place);
  // The code of a view is loaded when the view is first shown.
  const draw = async () => {
    try {
      const { show: draws } = await view.load();
      if (now !== shown) return;
      await draws(place, { me, params, query, signal: ends.signal, refresh: draw });
    } catch (error) {
      if (error.name !== "AbortError" && now === shown) fill(place, trouble(error, draw));
    }
  };
  await draw();
}

function mark(view) {
  for (const link of nav.children) {
    const isHere = link.dataset.path === view.path;
    if (isHere) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    if (!isHere) link.removeAttribute("aria-current");
  }
}

addEventListener("hashchange", () => {
  // A sign-in link may be opened in a tab that already shows the console.
  if (location.hash.startsWith("#key=")) return begin();
  if (location.hash === "#main") return;
  show().then(() => main.focus({ preventScroll: true }));
});
addEventListener("signed-out", (event) => {
  if (me) askForCredential({ code: "SIGNED_OUT", message: event.detail?.message ?? "Signed out" });
});
document.getElementById("leave").addEventListener("click", () => {
  askForCredential();
  say("You are signed out. This tab has forgotten the credential.");
});
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("help").addEventListener("click", () => keyboard.help(menu(me)));
stream.watch((state) => {
  live.className = `live ${state}`;
  fill(live, STATES[state]);
});
setInterval(renew, 15000);
keyboard.begin({ views: () => menu(me), isIn: () => Boolean(me) });

function begin() {
  session.takeFromAddress();
  enter();
}

begin();

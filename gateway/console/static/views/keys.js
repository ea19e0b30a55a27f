// The API keys of the marketplace: create and revoke keys. A key is shown once, when it is created.

import { change, once, part } from "../api.js";
import { confirm, open } from "../dialog.js";
import { fill, h } from "../dom.js";
import { list } from "../list.js";
import { badge, button, code, copied, head, moment, none, trouble, when } from "../parts.js";

const SCOPES = [
  ["read", "look at everything"],
  ["write", "act on orders, users, withdrawals"],
  ["support", "assign and decide disputes"],
  ["admin", "keys, webhooks, fees"],
];

export async function show(place, { me, signal }) {
  const keys = list({
    path: "/auth/api-keys",
    columns: columns(me, () => keys.load()),
    none: () => ["There are no keys."],
    signal,
    caption: "Keys, the newest first",
  });
  fill(place, head("API keys", [], button("Make a key", () => make(me, keys.load))), keys.place);
  await keys.load();
}

const columns = (me, again) => [
  { title: "Key", cell: (one) => [code(one.id), one.id === me.keyId && h("small", {}, " this one")] },
  { title: "Name", cell: (one) => one.name || none() },
  { title: "State", cell: (one) => badge(one.revokedAt ? "REVOKED" : "ACTIVE") },
  { title: "Scopes", cell: (one) => one.scopes.join(", ") },
  { title: "Made", cell: (one) => when(one.createdAt) },
  { title: "Expires", cell: (one) => moment(one.expiresAt) },
  { title: "Revoke", cell: (one) => (one.revokedAt ? none() : revoke(one, me, again)) },
];

function revoke(one, me, again) {
  const ask = () => confirm({
    title: `Revoke ${one.name || one.id}?`,
    text: one.id === me.keyId
      ? "This is the key that you are signed in with. You will be signed out."
      : "Whatever uses this key is refused within five seconds. A key cannot be brought back.",
    label: "Revoke",
    danger: true,
    act: async (key) => {
      await change("DELETE", `/auth/api-keys/${part(one.id)}`, undefined, { key });
      await again();
    },
    done: "The key is revoked.",
  });
  return h("button", { type: "button", "aria-label": `Revoke ${one.name || one.id}`, on: { click: ask } }, "Revoke");
}

function make(me, again) {
  const name = h("input", { id: "name", type: "text", maxlength: "100", autocomplete: "off" });
  const mine = SCOPES.filter(([scope]) => me.scopes.includes(scope));
  const boxes = mine.map(([scope, does]) => {
    const box = h("input", { type: "checkbox", value: scope, checked: scope === "read" });
    return { box, label: h("label", { class: "check" }, box, h("span", {}, h("strong", {}, scope), `: ${does}`)) };
  });
  const place = h("div", {});
  const ask = once();
  const sure = button("Make it", async () => {
    const scopes = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
    try {
      const made = await ask("POST", "/auth/api-keys", { scopes, name: name.value.trim() });
      asked.close();
      open({ title: "The new key", content: [h("p", {}, "It is shown only now."), h("p", {}, copied(made.key))] });
      await again();
    } catch (error) {
      fill(place, trouble(error));
    }
  }, "primary");
  const content = [
    h("div", { class: "field" }, h("label", { for: "name" }, "Name"), name),
    h("fieldset", {}, h("legend", {}, "It may"), boxes.map(({ label }) => label)),
    place,
  ];
  const asked = open({ title: "Make a key", content, actions: [sure], closes: "Leave it" });
  name.focus();
}

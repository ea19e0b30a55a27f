// The sign-in page. The API checks the credential, which is then stored in this tab.

import { fill, h } from "../dom.js";
import { trouble } from "../parts.js";

/** Ask for a credential. error: why the previous one was refused. */
export function showSignIn(main, { error, enter }) {
  const field = h("input", {
    id: "credential",
    type: "password",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "credential-hint",
  });
  const form = h("form", { class: "signin panel" },
    h("h1", {}, "Sign in"),
    error && trouble(error),
    h("div", { class: "field" }, h("label", { for: "credential" }, "API key or token"), field),
    h("p", { id: "credential-hint", class: "fine" },
      "An API key begins with ohk_; people have a token of their own. It stays in this tab alone."),
    h("button", { type: "submit", class: "primary" }, "Sign in"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text) enter(text);
  });
  fill(main, form);
  field.focus();
}

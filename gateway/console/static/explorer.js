// What is on chain: its id, and a link to the explorer that the deployment names, if it names one.

import { part } from "./api.js";
import { copied, outside } from "./parts.js";

let base = "";

/** Ask the gateway which explorer shows its network. */
export async function learn() {
  const answer = await fetch("/console/settings.json", { credentials: "omit" }).catch(() => null);
  if (answer?.ok) base = (await answer.json()).explorerUrl;
}

const shown = (path) => (id, options) =>
  base && id ? [copied(id, options), " ", outside(`${base}/${path}/${part(id)}`, "Explorer")] : copied(id, options);

export const transaction = shown("tx");
export const contract = shown("contract");
export const account = shown("account");

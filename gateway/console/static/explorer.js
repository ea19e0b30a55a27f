// Shows ids of objects on chain, with a link to the block explorer if one is configured.

import { part } from "./api.js";
import { copied, outside } from "./parts.js";

let base = "";

/** Ask the gateway for the explorer of its network. */
export async function learn() {
  const answer = await fetch("/console/settings.json", { credentials: "omit" }).catch(() => null);
  if (answer?.ok) base = (await answer.json()).explorerUrl;
}

const shown = (path) => (id, options) =>
  base && id ? [copied(id, options), " ", outside(`${base}/${path}/${part(id)}`, "Explorer")] : copied(id, options);

export const transaction = shown("tx");
export const contract = shown("contract");
export const account = shown("account");

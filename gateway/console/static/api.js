// Client of the public API, with the caller's own credential. The console calls nothing else.

import { credential } from "./session.js";

const ROOT = "/api/v1";
// How long a change may wait for the chain before the API answers "accepted".
const WAIT_SECONDS = 20;

/** A refusal of the API: its status, code and message. */
export class Refused extends Error {
  constructor({ status, code, message, details, requestId }) {
    super(message);
    Object.assign(this, { status, code, details: details ?? {}, requestId });
  }
}

/** Read a path; returns the whole answer: `data` and the fields beside it. */
export const read = (path, query = {}, options = {}) =>
  send("GET", path, { query, signal: options.signal });

/** Read a path; returns only `data`. */
export async function get(path, query, options) {
  const document = await read(path, query, options);
  // Answers of the party API have no envelope.
  return document.success === true ? document.data : document;
}

/** Read pages of a list until it ends or `most` rows are read. */
export async function all(path, query, { most = 500, signal } = {}) {
  const rows = [];
  let cursor;
  do {
    const page = await read(path, { ...query, limit: 100, cursor }, { signal });
    rows.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor && rows.length < most);
  return { rows, isWhole: !cursor };
}

/** Send a change. key: the idempotency key; the same for all attempts of one change. */
export async function change(method, path, body, { key = newKey() } = {}) {
  const headers = { "Idempotency-Key": key, Prefer: `wait=${WAIT_SECONDS}` };
  return (await send(method, path, { body, headers })).data;
}

/** Return whether a refusal is final for this change, so that the next attempt needs a new key. */
export const isAnswer = (error) =>
  error.status >= 400 && error.status < 500 && error.code !== "IDEMPOTENCY_KEY_IN_PROGRESS";

/** Return a function that sends a change; its attempts share one key until there is an answer. */
export function once() {
  let key = newKey();
  return async (method, path, body) => {
    try {
      const answer = await change(method, path, body, { key });
      key = newKey();
      return answer;
    } catch (error) {
      if (isAnswer(error)) key = newKey();
      throw error;
    }
  };
}

/** Request the preview of a change. */
export async function preview(method, path, body) {
  const headers = { "Idempotency-Key": newKey(), Prefer: "dry-run" };
  return (await send(method, path, { body, headers })).data;
}

export const newKey = () => `console-${crypto.randomUUID()}`;

export const part = (text) => encodeURIComponent(text);

export const authorization = () => ({ Authorization: `Bearer ${credential()}` });

/** Read a complete file. A file that ends early is an error. */
export async function file(path, query) {
  const answer = await ask("GET", path, { query, headers: { Accept: "text/csv" } });
  if (!answer.ok) throw refusal(answer, await answer.json().catch(() => null));
  return answer.blob().catch(() => {
    throw new Refused({ status: 0, code: "BROKEN_OFF", message: "The file broke off. Ask for it again." });
  });
}

async function send(method, path, options) {
  const answer = await ask(method, path, options);
  const document = await answer.text().then(parsed).catch(() => null);
  if (answer.ok && document) return document;
  throw refusal(answer, document);
}

async function ask(method, path, { query = {}, body, headers = {}, signal } = {}) {
  const init = { method, signal, cache: "no-store", credentials: "omit", redirect: "error" };
  init.headers = { ...authorization(), Accept: "application/json", ...headers };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  try {
    return await fetch(address(path, query), init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ status: 0, code: "UNREACHABLE", message: "The gateway does not answer." });
  }
}

/** Parse JSON. A number with decimals is an amount, and is kept as its text. */
const parsed = (text) =>
  JSON.parse(text, (_name, value, context) =>
    typeof value === "number" && context?.source.includes(".") ? context.source : value);

function address(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return `${ROOT}${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

function refusal(answer, document) {
  // The marketplace API has an envelope, the party API has none.
  const error = document?.error ?? document ?? {};
  if (answer.status === 401) dispatchEvent(new CustomEvent("signed-out", { detail: error }));
  return new Refused({
    status: answer.status,
    code: error.code ?? `HTTP_${answer.status}`,
    message: error.message ?? answer.statusText,
    details: error.details,
    requestId: answer.headers.get("x-request-id"),
  });
}

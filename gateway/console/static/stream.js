// The live stream of events, shared by all views. It is read with fetch, to send the credential in a header.

import { authorization } from "./api.js";

const KEPT = 300;
const AGAIN_MILLISECONDS = { least: 1000, most: 30000 };
// A stream without events sends pings. A stream that is silent for longer is treated as lost.
const SILENCE_MILLISECONDS = 90000;
const POLL_MILLISECONDS = 10000;
const listeners = new Set();
const onState = new Set();
export const recent = [];

let running = null;
let lastId = "";
let state = "off";

/**
 * Listen to events that a filter selects; returns a function that stops it. If the credential may not
 * read the stream, the listener is called every few seconds without an event.
 */
export function listen(hear, concerns = () => true) {
  const one = { hear, concerns };
  listeners.add(one);
  return () => listeners.delete(one);
}

/** Listen to the state of the stream: off, connecting, live, polling. */
export function watch(hear) {
  onState.add(hear);
  hear(state);
}

export function start() {
  if (running) return;
  running = new AbortController();
  follow(running.signal);
}

export function stop() {
  running?.abort();
  running = null;
  lastId = "";
  recent.length = 0;
  tell("off");
}

function tell(now) {
  state = now;
  for (const hear of onState) hear(now);
}

async function follow(signal) {
  let pause = AGAIN_MILLISECONDS.least;
  while (!signal.aborted) {
    tell("connecting");
    try {
      if (!(await readOnce(signal))) return poll(signal);
      pause = AGAIN_MILLISECONDS.least;
    } catch {
      // The stream is broken or silent: connect again, after the last received event.
    }
    if (signal.aborted) return;
    tell("connecting");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(2 * pause, AGAIN_MILLISECONDS.most);
  }
}

/** Call all listeners every few seconds. */
function poll(signal) {
  tell("polling");
  const calling = setInterval(() => {
    if (!document.hidden) for (const one of [...listeners]) one.hear();
  }, POLL_MILLISECONDS);
  signal.addEventListener("abort", () => clearInterval(calling));
}

/** Read until the stream ends. Returns false if this credential may not read the stream. */
async function readOnce(signal) {
  const headers = { ...authorization(), Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  const attempt = new AbortController();
  const both = AbortSignal.any([signal, attempt.signal]);
  const init = { headers, signal: both, cache: "no-store", credentials: "omit" };
  const answer = await fetch("/api/v1/events", init);
  if (answer.status === 401 || answer.status === 403) return false;
  if (!answer.ok) throw new Error(`events: ${answer.status}`);
  tell("live");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  while (true) {
    const silence = setTimeout(() => attempt.abort(), SILENCE_MILLISECONDS);
    const { value, done } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return true;
    const blocks = (waiting + value).split("\n\n");
    waiting = blocks.pop();
    blocks.forEach(hearBlock);
  }
}

function hearBlock(block) {
  const fields = Object.fromEntries(
    block.split("\n").map((line) => {
      const [, name, value] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
      return [name, value];
    }),
  );
  if (!fields.id || !fields.data) return;
  lastId = fields.id;
  const event = JSON.parse(fields.data);
  if (recent.some((one) => one.eventId === event.eventId)) return;
  recent.unshift(event);
  recent.length = Math.min(recent.length, KEPT);
  for (const one of [...listeners]) if (one.concerns(event)) one.hear(event);
}

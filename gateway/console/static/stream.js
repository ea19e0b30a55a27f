// The live stream of events: one for all views, read by fetch so that the credential is a header.

import { authorization } from "./api.js";

const KEPT = 300;
const AGAIN_MILLISECONDS = { least: 1000, most: 30000 };
// A stream without events pings; one that is silent for longer is gone.
const SILENCE_MILLISECONDS = 90000;
const POLL_MILLISECONDS = 10000;
const listeners = new Set();
const onState = new Set();
export const recent = [];

let running = null;
let lastId = "";
let state = "off";

/**
 * Hear the events that concern somebody; returns how to stop. A credential that may not read the
 * stream is called every few seconds instead, without an event.
 */
export function listen(hear, concerns = () => true) {
  const one = { hear, concerns };
  listeners.add(one);
  return () => listeners.delete(one);
}

/** Hear whether the stream is live: off, connecting, live, polling. */
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
      // Broken or silent: begin again after the last event that came.
    }
    if (signal.aborted) return;
    tell("connecting");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(2 * pause, AGAIN_MILLISECONDS.most);
  }
}

/** Call everybody every few seconds. */
function poll(signal) {
  tell("polling");
  const calling = setInterval(() => {
    if (!document.hidden) for (const one of [...listeners]) one.hear();
  }, POLL_MILLISECONDS);
  signal.addEventListener("abort", () => clearInterval(calling));
}

/** Read until the stream ends; false: this credential may not read it. */
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

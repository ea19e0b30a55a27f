// The waits of a dispute: what support must do, and until when.

import { moment, none } from "./parts.js";

/** Return the time by which support must act next. A decision ends both waits. */
export function due(one) {
  if (one.decision) return none();
  const next = [one.firstAnsweredAt ? null : one.firstAnswerDueAt, one.decisionDueAt].filter(Boolean);
  return next.length ? moment(next.sort()[0]) : none();
}

/** Return the facts about both waits; none if there are no waits. */
export const waits = (one) => [
  ["Answer due", one.firstAnswerDueAt ? moment(one.firstAnswerDueAt) : undefined],
  ["Answered", one.firstAnswerDueAt ? moment(one.firstAnsweredAt) : undefined],
  ["Decision due", one.decisionDueAt ? moment(one.decisionDueAt) : undefined],
];

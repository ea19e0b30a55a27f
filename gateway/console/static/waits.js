// What a case waits for from support, and until when.

import { moment, none } from "./parts.js";

/** Until when support must act next. A decision ends both waits. */
export function due(one) {
  if (one.decision) return none();
  const next = [one.firstAnsweredAt ? null : one.firstAnswerDueAt, one.decisionDueAt].filter(Boolean);
  return next.length ? moment(next.sort()[0]) : none();
}

/** The facts about both waits, where there are any. */
export const waits = (one) => [
  ["Answer due", one.firstAnswerDueAt ? moment(one.firstAnswerDueAt) : undefined],
  ["Answered", one.firstAnswerDueAt ? moment(one.firstAnsweredAt) : undefined],
  ["Decision due", one.decisionDueAt ? moment(one.decisionDueAt) : undefined],
];

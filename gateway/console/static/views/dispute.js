// One dispute: what both sides say, and the decision, with a preview of what each side gets.

import { change, get, once, part } from "../api.js";
import { confirm, open } from "../dialog.js";
import { fill, h, refill, say, settled } from "../dom.js";
import { fromUnits, units, words } from "../format.js";
import { amount, badge, button, copied, empty, facts, head, link, moment, none, outside, panel, trouble } from "../parts.js";
import { listen } from "../stream.js";
import { talk } from "../talk.js";
import { waits } from "../waits.js";

const DECISIONS = [
  ["FULL_RELEASE", "Release all to the seller"],
  ["FULL_REFUND", "Refund all to the buyer"],
  ["SPLIT", "Split between both"],
];

export async function show(place, { me, params, signal }) {
  const path = `/disputes/${part(params.id)}`;
  const concerns = (event) => event.aggregateId === params.id || event.payload?.disputeId === params.id;
  const said = conversation(me, path, concerns, signal);

  async function draw() {
    const found = await get(path, {}, { signal });
    const isOpen = !found.decision && found.status !== "RESOLVED";
    refill(
      place,
      head(words(found.reason), [badge(found.status), found.overdue && [" ", badge("OVERDUE")]],
        isOpen && [
          found.assignedTo && button("Give back", () => giveBack(path, draw)),
          button(found.assignedTo ? "Assign to another" : "Assign", () => assign(me, found, path, draw)),
        ]),
      h("p", { class: "lead" }, amount(found.amount, found.order.currency), " ", copied(found.id)),
      h("div", { class: "columns" }, about(found), sides(found), evidence(found)),
      said,
      isOpen ? decision(found, path, draw) : outcome(found),
    );
  }

  await draw();
  const again = settled(() => isWriting(place) || draw().catch(() => {}));
  signal.addEventListener("abort", listen(again, concerns));
}

/** Messages and notes. They are not redrawn with the rest, because the user may be writing one. */
function conversation(me, path, concerns, signal) {
  const canWrite = Boolean(me.supportId) || me.scopes.includes("support");
  const both = { canWrite, concerns, signal };
  return h("div", { class: "columns" },
    talk({ ...both, title: "Messages", path: `${path}/messages`, label: "Write to both sides", none: "Nobody has written." }),
    canWrite && talk({ ...both, title: "Notes", path: `${path}/notes`, label: "Write a note for support", none: "No notes." }));
}

/** Return whether the user is writing a decision, which an event must then not redraw. */
const isWriting = (place) =>
  [...place.querySelectorAll("form.decision :is(input[type=text], textarea)")].some((one) => one.value);

const about = (found) => panel("Case", facts([
  ["Opened by", words(found.openedBy)],
  ["Opened", moment(found.createdAt)],
  ...waits(found),
  ["Says", found.description ?? none()],
  ["Assigned to", found.assignedToName ?? found.assignedTo ?? none()],
  ["Note", found.assignmentNotes ?? undefined],
]));

const sides = ({ order, orderId }) => panel("Order", facts([
  ["Order", link(`#/orders/${orderId}`, order.title)],
  ["Buyer", link(`#/users/${order.buyerId}`, order.buyerId)],
  ["Seller", link(`#/users/${order.sellerId}`, order.sellerId)],
  ["Delivered", order.delivery ? moment(order.delivery.deliveredAt) : none()],
  ["Funded", moment(order.fundedAt)],
]));

const evidence = (found) => panel("Evidence", found.evidence.length
  ? h("ul", { class: "plain" }, found.evidence.map((one) => h("li", {}, outside(one))))
  : empty("Nobody has added evidence."));

const outcome = (found) => panel("Decision", facts([
  ["Decision", words(found.decision)],
  ["To the seller", amount(found.releaseAmount)],
  ["To the buyer", amount(found.refundAmount)],
  ["Note", found.note ?? none()],
  ["Decided by", found.resolvedBy ? [found.resolvedByName, " ", copied(found.resolvedBy)] : none()],
  ["Decided", moment(found.decidedAt)],
  ["Paid", moment(found.resolvedAt)],
]));

function decision(found, path, draw) {
  const form = h("form", { class: "decision" },
    h("fieldset", {}, h("legend", {}, "Who gets the money?"),
      DECISIONS.map(([value, text], place) => h("label", { class: "check" },
        h("input", { type: "radio", name: "decision", value, checked: place === 0 }), text))),
    shares(found),
    h("div", { class: "field" },
      h("label", { for: "note" }, "Note to both sides"),
      h("textarea", { id: "note", name: "note", rows: "3", maxlength: "4000" })),
    h("button", { type: "submit", class: "primary" }, "Preview the decision"));
  const place = h("div", {});
  form.addEventListener("change", () => showShares(form));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = read(form);
    const wrong = problem(body, found.amount);
    fill(place, wrong && trouble({ code: "NOT_READY", message: wrong }));
    if (!wrong) ask(found, path, body, draw);
  });
  showShares(form);
  return panel("Decide", form, place);
}

function shares(found) {
  const share = (name, label, other) => {
    const input = h("input", { id: name, name, type: "text", inputmode: "decimal", autocomplete: "off" });
    input.addEventListener("input", () => complement(input, other, found.amount));
    return h("div", { class: "field" }, h("label", { for: name }, label), input);
  };
  return h("div", { class: "shares" },
    share("releaseAmount", "To the seller", "refundAmount"),
    share("refundAmount", "To the buyer", "releaseAmount"),
    h("p", { class: "fine" }, "Both together are ", amount(found.amount), ". The other share fills itself."));
}

function complement(input, other, whole) {
  const share = units(input.value);
  const rest = share === null ? null : units(whole) - share;
  input.form.elements[other].value = rest === null || rest < 0n ? "" : fromUnits(rest);
}

const showShares = (form) => {
  form.querySelector(".shares").hidden = form.elements.decision.value !== "SPLIT";
};

function read(form) {
  const { decision: chosen, releaseAmount, refundAmount, note } = form.elements;
  const body = { decision: chosen.value };
  if (note.value.trim()) body.note = note.value.trim();
  if (chosen.value !== "SPLIT") return body;
  return { ...body, releaseAmount: releaseAmount.value.trim(), refundAmount: refundAmount.value.trim() };
}

function problem(body, whole) {
  if (body.decision !== "SPLIT") return "";
  const [release, refund] = [units(body.releaseAmount), units(body.refundAmount)];
  if (release === null || refund === null) return "Both shares must be amounts such as 50.00.";
  return release + refund === units(whole) ? "" : "Both shares together must be the whole amount.";
}

function ask(found, path, body, draw) {
  confirm({
    title: `${words(body.decision)}: decide for good?`,
    text: "The decision is paid out on chain and ends the order. It cannot be taken back.",
    label: "Decide and pay",
    previewed: { path: `${path}/resolve`, body },
    act: async (key) => {
      const answer = await change("POST", `${path}/resolve`, body, { key });
      await draw();
      return answer;
    },
    done: (answer) => (answer.resolvedAt ? "Decided and paid." : "Decided. The chain is paying it out."),
  });
}

const giveBack = (path, draw) => confirm({
  title: "Give the case back?",
  text: "It is open again, and nobody's.",
  label: "Give back",
  act: (key) => change("POST", `${path}/unassign`, {}, { key }).then(draw),
});

function assign(me, found, path, draw) {
  const name = h("input", { id: "agent", type: "text", maxlength: "255", autocomplete: "off", value: me.supportId });
  const notes = h("textarea", { id: "agent-notes", rows: "2", maxlength: "4000" });
  const place = h("div", {});
  const ask = once();
  const sure = button("Assign", async () => {
    const body = { agentId: name.value.trim(), ...(notes.value.trim() && { notes: notes.value.trim() }) };
    try {
      await ask("POST", `${path}/assign`, body);
      asked.close();
      await draw();
      say(`Assigned to ${body.agentId}.`);
    } catch (error) {
      fill(place, trouble(error));
    }
  }, "primary");
  const content = [
    h("div", { class: "field" }, h("label", { for: "agent" }, "Agent"), name),
    h("div", { class: "field" }, h("label", { for: "agent-notes" }, "Note"), notes),
    place,
  ];
  const asked = open({ title: "Assign the case", content, actions: [sure], closes: "Leave it" });
  name.focus();
}

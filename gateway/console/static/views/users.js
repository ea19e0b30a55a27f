// Users of the marketplace, the newest first.

import { fill } from "../dom.js";
import { list } from "../list.js";
import { badge, head, link, when } from "../parts.js";

const COLUMNS = [
  { title: "User", cell: (one) => link(`#/users/${one.id}`, one.id) },
  { title: "Your id", cell: (one) => one.externalUserId },
  { title: "Email", cell: (one) => one.email ?? "–" },
  { title: "Type", cell: (one) => badge(one.type) },
  { title: "Registered", cell: (one) => when(one.createdAt) },
];

export async function show(place, { signal }) {
  const users = list({
    path: "/users",
    columns: COLUMNS,
    none: () => ["There are no users yet.", "POST /api/v1/users registers one."],
    concerns: (event) => event.eventType === "user.registered",
    signal,
    caption: "Users, the newest first",
  });
  fill(place, head("Users"), users.place);
  await users.load();
}

// The search of the guides, in the browser. A section is found if it contains every word.
// The index is loaded when the user begins to search.

const MOST = 20, EXCERPT = 140;
const field = document.getElementById("search");
const found = document.getElementById("found");
let index;

function rank(section, words) {
  const heading = section.heading.toLowerCase(), page = section.page.toLowerCase();
  const text = section.text.toLowerCase();
  let total = 0;
  for (const word of words) {
    const points = heading.includes(word) ? 10 : page.includes(word) ? 5 : text.includes(word) ? 1 : 0;
    if (!points) return 0;
    total += points;
  }
  return total;
}

function excerpt(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - EXCERPT / 3);
  return (at ? "… " : "") + text.slice(at, at + EXCERPT) + (at + EXCERPT < text.length ? " …" : "");
}

function item(section, words) {
  const line = document.createElement("li"), link = document.createElement("a");
  const where = document.createElement("span");
  link.href = section.path;
  link.textContent = section.heading === section.page
    ? section.page : `${section.page}: ${section.heading}`;
  where.textContent = excerpt(section.text, words[0]);
  line.append(link, where);
  return line;
}

async function show() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) index ??= fetch("/docs/guides/search.json").then((answer) => answer.json());
  const sections = words.length ? await index : [];
  const ranked = sections.map((section) => ({ section, points: rank(section, words) }))
    .filter((one) => one.points).sort((a, b) => b.points - a.points).slice(0, MOST);
  const items = ranked.map((one) => item(one.section, words));
  if (words.length && !items.length) {
    const nothing = document.createElement("li");
    nothing.textContent = "No section has all of these words.";
    items.push(nothing);
  }
  found.replaceChildren(...items);
  found.hidden = !items.length;
}

field.addEventListener("input", show);
field.form.addEventListener("submit", (event) => {
  event.preventDefault();
  found.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape") {
    field.value = "";
    show();
  }
});
for (const link of document.querySelectorAll("nav a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}

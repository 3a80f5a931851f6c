// The log page: lines come at the edges while one scrolls, leave at the other side, and the end is followed.

const MOST_ROWS = 3000;
const NEAR = 800; // pixels from an edge at which more is asked for
const PAUSE = 5_000; // after an answer that did not come
const log = document.getElementById("log");
const follow = document.querySelector("[data-follow]");
const pill = document.querySelector("[data-pill]");
const busy = new Set();
const failed = new Map();
let fresh = 0; // lines that came while the reader was elsewhere
let placed = null; // where the page itself scrolled to last; wherever else it stands, the reader scrolled

const edge = (rel) => log.querySelector(`:scope > .log-edge[rel="${rel}"]`);
const end = () => document.getElementById("log-end");
const isLive = () => end()?.hasAttribute("data-live") ?? false; // an ended job may run again while the page is open
const isRow = (element) => element.matches(".line, .op");
const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
const idOf = (row) => Number(row.dataset.last ?? row.id.replace(/^\D+/, ""));

function scrollTo(top) {
  log.scrollTop = top;
  placed = log.scrollTop;
}

function makeEdge(rel, place) {
  const link = document.createElement("a");
  link.className = "log-edge";
  link.rel = rel;
  link.href = `${log.dataset.query}&${place}`;
  link.textContent = rel === "prev" ? log.dataset.earlier : log.dataset.later;
  return link;
}

function isSelecting() {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && log.contains(selection.anchorNode);
}

// Two windows of one operation need one heading.
function dropDoubled(first, second) {
  if (first?.dataset.path && first.dataset.path === second?.dataset.path && !second.matches(".is-folded")) second.remove();
}

function trim(side) {
  const rows = [...log.children].filter(isRow);
  let spare = rows.length - MOST_ROWS;
  if (spare <= 0 || isSelecting()) return;
  if (side === "top") {
    const below = log.scrollHeight - log.scrollTop;
    const gone = rows.splice(0, spare);
    const heading = gone.findLast((row) => row.matches(".op"));
    for (const row of gone) row.remove();
    edge("prev")?.remove();
    for (const link of log.querySelectorAll(":scope > .log-edge:not([rel])")) {
      if (link.compareDocumentPosition(rows[0]) & Node.DOCUMENT_POSITION_FOLLOWING) link.remove();
    }
    if (heading && !heading.matches(".is-folded") && rows[0].matches(".line")) rows[0].before(heading);
    log.prepend(makeEdge("prev", `before=${rows[0].id.replace(/^\D+/, "")}`));
    scrollTo(log.scrollHeight - below);
  } else {
    for (const row of rows.splice(-spare)) row.remove();
    while (rows.length && rows.at(-1).matches(".op:not(.is-folded)")) rows.pop().remove();
    edge("next")?.remove();
    rows.at(-1).after(makeEdge("next", `after=${idOf(rows.at(-1))}`));
    if (end()) end().hidden = true;
  }
}

function putAbove(link, nodes) {
  const below = log.scrollHeight - log.scrollTop;
  const wanted = nodes.filter((node) => isRow(node) || node.rel === "prev");
  const next = link.nextElementSibling;
  link.replaceWith(...wanted);
  dropDoubled(wanted.findLast((node) => node.matches(".op")), next?.matches(".op") ? next : null);
  scrollTo(log.scrollHeight - below);
  trim("bottom");
}

function putBelow(link, nodes) {
  const wanted = nodes.filter((node) => isRow(node) || node.rel === "next" || node.id === "log-end");
  const above = [...log.querySelectorAll(":scope > .op")].at(-1);
  if (wanted.some((node) => node.id === "log-end")) end()?.remove();
  link.replaceWith(...wanted);
  if (wanted[0]?.matches(".op")) dropDoubled(above, wanted[0]);
  if (end()) window.htmx?.process(end());
  takeNew();
  trim("top");
}

async function load(rel) {
  const link = edge(rel);
  if (!link || busy.has(rel) || Date.now() < (failed.get(rel) ?? 0)) return;
  busy.add(rel);
  try {
    const answer = await fetch(`${link.href}&part=1`);
    if (!answer.ok || answer.redirected) throw new Error("no lines");
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (link.isConnected) (rel === "prev" ? putAbove : putBelow)(link, [...parsed.body.children]);
    busy.delete(rel);
    look();
  } catch {
    // The link stands there still, and works as one.
    failed.set(rel, Date.now() + PAUSE);
    busy.delete(rel);
  }
}

function look() {
  if (log.scrollTop < NEAR) load("prev");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < NEAR) load("next");
  const isHere = isAtEnd() && !edge("next");
  if (isHere) fresh = 0;
  pill.hidden = isHere || !isLive();
  follow.parentElement.hidden = !isLive();
  const text = fresh === 1 ? pill.dataset.one : pill.dataset.many.replace("{n}", fresh);
  pill.querySelector("[data-pill-count]").textContent = fresh ? `· ${text}` : "";
}

function toEnd() {
  scrollTo(log.scrollHeight);
  look();
}

// What came at the end, behind lines that were dropped, is only counted: it is read again when one gets there.
function dropUnreachable() {
  const later = edge("next");
  while (later?.nextElementSibling && later.nextElementSibling !== end()) later.nextElementSibling.remove();
  if (later && end()) end().hidden = true;
}

function tellNews() {
  for (const told of log.querySelectorAll("[data-run-news]")) {
    for (const shown of log.querySelectorAll(`[data-run="${told.dataset.runNews}"]`)) {
      if (shown.innerHTML !== told.innerHTML) shown.innerHTML = told.innerHTML;
    }
    told.remove();
  }
}

// Returns how many lines are new. An answer that was on its way while lines were read otherwise must not double them.
let newest = 0;
function takeNew() {
  const seen = new Set();
  let count = 0;
  for (const line of [...log.getElementsByClassName("line")]) {
    const id = idOf(line);
    if (seen.has(id)) line.remove();
    else if (id > newest) count += 1;
    seen.add(id);
  }
  newest = Math.max(newest, ...seen);
  return count;
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (!log.contains(event.target) && event.target.id !== "log-end") return;
  log.querySelector("[data-log-empty]")?.remove();
  tellNews();
  const came = takeNew();
  dropUnreachable();
  if (follow.checked && !edge("next")) {
    trim("top");
    fresh = 0;
    toEnd();
  } else {
    fresh += came;
    look();
  }
});

log.addEventListener("scroll", () => {
  if (placed === null || Math.abs(log.scrollTop - placed) > 1) {
    placed = null;
    follow.checked = isAtEnd() && !edge("next");
  }
  look();
});
follow.addEventListener("change", () => {
  if (!follow.checked) return;
  if (edge("next")) window.location.assign(pill.href);
  else toEnd();
});
pill.addEventListener("click", (event) => {
  if (edge("next")) return; // the end is another window: the link leads to it
  event.preventDefault();
  follow.checked = true;
  toEnd();
});

takeNew();
const place = new URLSearchParams(window.location.search);
const isElsewhere = ["after", "line", "lines", "hit", "near", "percent"].some((name) => place.has(name));
const target = log.querySelector(".is-hit") ?? log.querySelector(".is-marked") ?? document.querySelector(".log :target");
if (target) {
  target.scrollIntoView({ block: "center" });
  follow.checked = false;
} else if (!isElsewhere && !/^#L\d/.test(window.location.hash)) {
  follow.checked = true;
  toEnd();
} else {
  follow.checked = false;
}
look();

// How the lines of a log are shown and marked: relative times, wrapping, a line or a range that one links to.

const log = document.getElementById("log");
const view = document.querySelector(".log-view");
const PLACE = ["attempt", "line", "lines", "hit", "near", "percent", "after", "before", "whole", "part"]; // where the page begins; a line knows its attempt
let marked = null; // first and last line

function keep(name, value) {
  try {
    window.localStorage.setItem(`log-${name}`, value);
  } catch {
    // A browser that keeps nothing shows it until the page is left.
  }
}

function kept(name) {
  try {
    return window.localStorage.getItem(`log-${name}`);
  } catch {
    return null;
  }
}

// Where there is room the filters are not folded; style alone does it where it can.
const more = document.querySelector("[data-log-more]");
if (!window.CSS?.supports("selector(::details-content)") && window.matchMedia("(min-width: 45.01rem)").matches) more.open = true;

function firstVisible() {
  const top = log.getBoundingClientRect().top;
  return [...log.getElementsByClassName("line")].find((line) => line.getBoundingClientRect().bottom > top);
}

for (const link of document.querySelectorAll("[data-switch]")) {
  const name = link.dataset.switch;
  const before = kept(name);
  if (before !== null) view.classList.toggle(`is-${name}`, before === "1");
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const line = firstVisible();
    keep(name, view.classList.toggle(`is-${name}`) ? "1" : "0");
    line?.scrollIntoView({ block: "start" });
  });
}

function paint() {
  for (const line of log.getElementsByClassName("line")) {
    const id = Number(line.id.slice(1));
    line.classList.toggle("is-marked", marked !== null && marked[0] <= id && id <= marked[1]);
  }
}

// The address of lines with the filters that they are seen through.
function placeOf(first, last) {
  const query = new URLSearchParams(window.location.search);
  for (const name of PLACE) query.delete(name);
  if (first === last) query.set("line", first);
  else query.set("lines", `${first}-${last}`);
  return `?${query}#L${first}${first === last ? "" : `-L${last}`}`;
}

function readHash() {
  const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(window.location.hash);
  if (!found) return;
  const ends = [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
  const line = document.getElementById(`L${ends[0]}`);
  if (line) {
    marked = ends;
    paint();
    line.scrollIntoView({ block: "center" });
  } else if (!new URLSearchParams(window.location.search).has("near")) {
    const [first, last] = ends;
    const place = first === last ? `?line=${first}#L${first}` : `?lines=${first}-${last}#L${first}-L${last}`;
    // A line that is not in the log leads to the last one, once.
    if (place.split("#")[0] !== window.location.search) window.location.replace(place);
  }
}

log.addEventListener("click", (event) => {
  const number = event.target.closest(".no");
  if (!number || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const id = Number(number.parentElement.id.slice(1));
  marked = event.shiftKey && marked ? [Math.min(marked[0], id), Math.max(marked[0], id)] : [id, id];
  const [first, last] = marked;
  paint();
  if (event.shiftKey) document.getSelection()?.removeAllRanges();
  window.history.replaceState(null, "", placeOf(first, last));
});

log.addEventListener("click", async (event) => {
  const link = event.target.closest("[data-whole]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const line = link.closest(".line");
  try {
    const answer = await fetch(`${link.href.split("#")[0]}&part=1`);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    line.replaceWith(parsed.getElementById(line.id) ?? line);
  } catch {
    window.location.assign(link.href);
  }
});

const ends = /^(\d+)-(\d+)$/.exec(new URLSearchParams(window.location.search).get("lines") ?? "");
const line = Number(new URLSearchParams(window.location.search).get("line"));
if (ends) marked = [Number(ends[1]), Number(ends[2])].sort((a, b) => a - b);
else if (line) marked = [line, line];
new MutationObserver(() => marked && paint()).observe(log, { childList: true });
window.addEventListener("hashchange", readHash);
readHash();

// A search that took too long for one answer goes on by itself.
const resume = document.querySelector("[data-resume]");
if (resume) window.location.replace(resume.href);

// The selection of jobs: kept by number while the list is fetched anew, ranges with shift, all that are shown.

const chosen = new Set();
let last = null;
let all = false;
let isDue = false;

const boxes = () => [...document.querySelectorAll("input[data-select]")];
const bar = () => document.querySelector("#bulk");

function set(box, isOn) {
  if (isOn) chosen.add(box.value);
  else chosen.delete(box.value);
}

function say(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function counted(count, data) {
  const away = [...chosen].filter((number) => !document.getElementById(`select-${number}`)).length;
  const text = count === 1 ? data.one : data.many.replace("{n}", count);
  return away ? `${text} (${data.away.replace("{n}", away)})` : text;
}

function show() {
  isDue = false;
  const found = boxes();
  for (const box of found) {
    box.checked = chosen.has(box.value);
    box.disabled = all;
    box.closest("[data-job]")?.classList.toggle("is-selected", all || box.checked);
  }
  const shown = document.querySelector("[data-select-shown]");
  const on = found.filter((box) => box.checked).length;
  if (shown) {
    shown.checked = on > 0 && on === found.length;
    shown.indeterminate = on > 0 && on < found.length;
    shown.disabled = all;
  }
  const every = document.querySelector("[data-select-all]");
  if (every) every.checked = all;
  else all = false;
  const place = bar();
  if (!place) return;
  place.classList.toggle("is-active", all || chosen.size > 0);
  const count = place.querySelector("[data-select-count]");
  if (count) say(count, all ? "" : counted(chosen.size, count.dataset));
}

function showSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(show);
}

function range(box) {
  const found = boxes();
  const [from, to] = [found.findIndex((each) => each.value === last), found.indexOf(box)].sort((a, b) => a - b);
  if (from < 0) return [box];
  return found.slice(from, to + 1);
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.matches?.("input[data-select]")) {
    for (const each of event.shiftKey ? range(box) : [box]) set(each, box.checked);
    last = box.value;
  } else if (box.matches?.("[data-select-shown]")) {
    for (const each of boxes()) set(each, box.checked);
  } else if (box.matches?.("[data-select-all]")) {
    all = box.checked;
  } else if (box.closest?.("[data-select-none]")) {
    chosen.clear();
    all = false;
    document.querySelector("[data-select-shown]")?.focus();
  } else {
    return;
  }
  show();
});

// Text between two rows is not what a range with shift is for.
document.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest?.(".cell-select")) event.preventDefault();
});

// Those that are chosen but not shown now are sent as well.
document.addEventListener("submit", (event) => {
  if (event.target !== bar()) return;
  for (const added of event.target.querySelectorAll("[data-away]:not(p)")) added.remove();
  if (all) return;
  for (const number of chosen) {
    if (document.getElementById(`select-${number}`)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "job", value: number });
    field.dataset.away = "";
    event.target.append(field);
  }
});

// However the list comes to be another, the selection is put back.
for (const name of ["htmx:afterSwap", "htmx:afterSettle"]) document.addEventListener(name, showSoon);
new MutationObserver(showSoon).observe(document.querySelector("main"), { childList: true, subtree: true });
show();

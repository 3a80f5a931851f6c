// Takes in what a part of a page has become: node by node, so that focus, places scrolled to and what is unfolded stay, and
// never by moving a row from under the reader's hand.

const ROW = "tr[id^='row-']";
const waiting = new Map(); // by id of the part: what it has become, not yet shown
const forced = new Map(); // by id of the part: since when what it shows may be what the reader may not see any more
const begun = new WeakMap(); // by request: when it was sent

const news = document.querySelector("[data-news]");
const pill = news.querySelector("button");

function isKept(name, element) {
  // What the reader has unfolded, ticked or typed is the reader's.
  if (name === "open") return element.tagName === "DETAILS";
  if (name === "checked") return true;
  return name === "value" && element.matches("input:not([type=hidden]), textarea");
}

const usual = {
  callbacks: {
    beforeAttributeUpdated: (name, element) => !isKept(name, element),
    // The entries of a menu that somebody chooses from were asked for; a fresh row has none.
    beforeNodeMorphed: (element) => !(element instanceof Element && element.matches("[data-row-menu][open]")),
  },
};

function held(element) {
  const selection = document.getSelection();
  const isSelecting = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  const table = element.querySelector(ROW)?.closest("table");
  if (!table) return isSelecting ? "whole" : "";
  const isUsed =
    isSelecting ||
    (window.matchMedia("(hover: hover)").matches && table.matches(":hover")) ||
    table.contains(document.activeElement) ||
    table.querySelector("[data-menu][open], input:checked");
  return isUsed ? "rows" : "";
}

function mustShow(element, request) {
  if (!(begun.get(request) >= forced.get(element.id))) return false;
  forced.delete(element.id);
  for (const menu of element.querySelectorAll("[data-row-menu][open]")) menu.open = false;
  return true;
}

function takeIn(element, fresh, request) {
  const hold = mustShow(element, request) ? "" : held(element);
  if (!hold) {
    show(element, fresh);
    return;
  }
  waiting.set(element.id, fresh);
  // It is known already: the next answer is short when nothing more has changed.
  if (fresh.hasAttribute("hx-headers")) element.setAttribute("hx-headers", fresh.getAttribute("hx-headers"));
  if (hold === "rows") changeRows(element, fresh);
}

function show(element, fresh) {
  waiting.delete(element.id);
  pill.hidden = true;
  window.Idiomorph.morph(element, fresh, usual);
  announce(element.id);
}

function announce(id) {
  const element = document.getElementById(id);
  window.htmx.process(element);
  window.htmx.trigger(element, "htmx:afterSwap", { elt: element, target: element });
}

function changeRows(element, fresh) {
  const kept = [];
  const found = new Map([...fresh.querySelectorAll(ROW)].map((row) => [row.id, row]));
  const order = [...found.keys()];
  let gone = 0;
  for (const row of element.querySelectorAll(ROW)) {
    const next = found.get(row.id);
    if (next) {
      kept.push(row.id);
      found.delete(row.id);
      window.Idiomorph.morph(row, next.cloneNode(true), usual);
    } else {
      gone += 1;
      row.classList.add("is-gone");
      row.title = news.dataset.gone;
    }
  }
  const isMoved = kept.join() !== order.filter((id) => !found.has(id)).join();
  say(found.size, gone, isMoved);
  announce(element.id);
}

function say(added, gone, isMoved) {
  const texts = news.dataset;
  let text = "";
  if (added) text = (added === 1 ? texts.newOne : texts.newMany).replace("{n}", added);
  else if (gone) text = (gone === 1 ? texts.goneOne : texts.goneMany).replace("{n}", gone);
  else if (isMoved) text = texts.moved;
  pill.hidden = !text;
  if (pill.textContent !== text) pill.textContent = text;
}

function release() {
  for (const [id, fresh] of waiting) {
    const element = document.getElementById(id);
    if (!element) waiting.delete(id);
    else if (!held(element)) show(element, fresh);
  }
}

function showAll() {
  const [first] = waiting.keys();
  for (const [id, fresh] of waiting) {
    const element = document.getElementById(id);
    if (element) show(element, fresh);
  }
  // The button that was pressed is gone: go on with the newest row.
  if (first) document.getElementById(first)?.querySelector(`${ROW} a`)?.focus({ preventScroll: true });
}

// A fragment that is one element with the id of the one it replaces is taken in; all others htmx swaps by itself, and what the
// reader asked for, too: that is to be seen at once, and its address belongs into the history.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, serverResponse, shouldSwap, requestConfig } = event.detail;
  if (!shouldSwap || !window.Idiomorph || !target.id) return;
  if (requestConfig?.triggeringEvent && requestConfig.triggeringEvent.type !== "poll") {
    if (waiting.delete(target.id)) pill.hidden = true;
    return;
  }
  const answer = document.createElement("template");
  answer.innerHTML = serverResponse;
  const [fresh, ...more] = answer.content.children;
  if (!fresh || more.length || fresh.id !== target.id) return;
  event.detail.shouldSwap = false;
  takeIn(target, document.importNode(fresh, true), event.detail.xhr);
});

// Rows of an environment that the reader may not see any more go at once, whoever holds them: with the first answer of each
// part that was asked for since. One that was on its way already may still hold them.
document.addEventListener("htmx:beforeSend", (event) => begun.set(event.detail.xhr, performance.now()));
document.addEventListener("live:rights", () => {
  for (const part of document.querySelectorAll("[data-poll][hx-get][id]")) forced.set(part.id, performance.now());
});
document.addEventListener("live:show", showAll);
pill.addEventListener("click", showAll);

let isDue = false;
function releaseSoon() {
  if (!waiting.size || isDue) return;
  isDue = true;
  // Only then focus is where it goes to, and the pointer has left what it leaves.
  setTimeout(() => {
    isDue = false;
    release();
  }, 50);
}
for (const name of ["pointerover", "focusin", "focusout", "selectionchange", "change"]) {
  document.addEventListener(name, releaseSoon);
}
document.addEventListener("toggle", releaseSoon, true);
document.documentElement.addEventListener("pointerleave", releaseSoon);

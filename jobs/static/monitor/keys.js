// Single keys: move between jobs, select, open, act, go elsewhere. They can be turned off, and never fire while somebody types.

const OFF = "clarive-keys-off";
const SECOND_KEY = 1500;

const sheet = document.querySelector("#keys");
const toggle = sheet?.querySelector("[data-keys-switch]");
let prefixed = 0;

function isOff() {
  try {
    return localStorage.getItem(OFF) === "1";
  } catch {
    return false;
  }
}

function isTyping(element) {
  if (!element?.closest) return false;
  // A box that is only ticked takes no letters.
  if (element.matches("input[type=checkbox], input[type=radio], input[type=button], input[type=submit]")) return false;
  return element.isContentEditable || element.closest("input, textarea, select, [role=combobox], [role=listbox]") !== null;
}

const rows = () => [...document.querySelectorAll("[data-job]")].filter((row) => row.offsetParent !== null);
const current = () => document.activeElement?.closest?.("[data-job]") ?? null;
const name = (row) => row.querySelector("a.job-name, a[id^='job-'], a");

function move(step) {
  const found = rows();
  if (!found.length) return false;
  const here = found.indexOf(current());
  const next = here < 0 ? (step > 0 ? 0 : found.length - 1) : Math.min(Math.max(here + step, 0), found.length - 1);
  name(found[next])?.focus();
  found[next].scrollIntoView({ block: "nearest" });
  return true;
}

function click(element) {
  element?.click();
  return Boolean(element);
}

function go(address) {
  if (address) window.location.assign(address);
  return Boolean(address);
}

function focus(element) {
  element?.focus();
  element?.select?.();
  return Boolean(element);
}

function openLog() {
  const row = current();
  if (row) return click(row.querySelector("a[id^='log-'], a[href*='/log/']"));
  const [address] = window.location.pathname.match(/^\/jobs\/\d+\//) ?? [""];
  return go(address && `${address}log/`);
}

function openActions() {
  const row = current();
  const menu = row?.querySelector("[data-row-menu]");
  if (menu) {
    menu.dataset.focus = "1";
    menu.querySelector("summary").focus();
    menu.open = true;
    return true;
  }
  // The page of a job, or an entry of the inbox, shows its actions itself.
  return focus((row ?? document.querySelector("main")).querySelector("a[id^='do-']"));
}

function select() {
  return click(current()?.querySelector("input[data-select]"));
}

function showSheet() {
  if (!sheet) return false;
  toggle.checked = !isOff();
  sheet.showModal();
  return true;
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  // Elsewhere the arrows scroll.
  ArrowDown: () => Boolean(current()) && move(1),
  ArrowUp: () => Boolean(current()) && move(-1),
  x: select,
  b: () => focus(document.querySelector("#bulk.is-active button[name=action]")),
  // On a link Enter opens it by itself.
  Enter: () => document.activeElement.matches("input[data-select]") && click(name(current())),
  o: () => click(current() && name(current())),
  l: openLog,
  a: openActions,
  ".": openActions,
  "/": () => focus(document.querySelector("[role=search] input:not([type=hidden]), input[type=search]")),
  n: () => go(sheet?.dataset.new),
  i: () => go(sheet?.dataset.inbox),
  "?": showSheet,
};
const AFTER_G = { m: () => go(sheet?.dataset.monitor), i: () => go(sheet?.dataset.inbox) };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (isOff() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("[data-menu][open]")) return;
  const isSecond = Date.now() - prefixed < SECOND_KEY;
  prefixed = event.key === "g" && !isSecond ? Date.now() : 0;
  const act = isSecond && AFTER_G[event.key] ? AFTER_G[event.key] : KEYS[event.key];
  if (act?.()) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-keys-open]")) return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) menu.open = false;
  showSheet();
});

toggle?.addEventListener("change", () => {
  try {
    if (toggle.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  } catch {
    // A browser that keeps nothing leaves them on.
  }
});

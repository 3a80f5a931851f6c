// What every page does: ask again while somebody looks, say when the connection is lost, close menus.

const LONGEST_WAIT = 30_000;
const failures = new WeakMap();
const lastAsked = new WeakMap();

// The server shows times in this zone to readers who chose none.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  document.cookie = `clarive_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

function pause(element) {
  const usual = Number(element.dataset.poll);
  return Math.min(LONGEST_WAIT, usual * 2 ** (failures.get(document) ?? 0));
}

function isBusy(element) {
  // Swapping under an open menu or a selection would take it from the reader's hand.
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && element.contains(selection.anchorNode);
}

function ask(force = false) {
  if (document.hidden || !window.htmx) return;
  const now = Date.now();
  for (const element of document.querySelectorAll("[data-poll]")) {
    const due = force || now - (lastAsked.get(element) ?? started) >= pause(element);
    if (due && !element.classList.contains("htmx-request") && !isBusy(element)) {
      lastAsked.set(element, now);
      window.htmx.trigger(element, "poll");
    }
  }
}

function showConnection(isLost) {
  failures.set(document, isLost ? (failures.get(document) ?? 0) + 1 : 0);
  document.querySelector("[data-offline]").hidden = !isLost;
}

// What the page asks by itself says nothing about whether somebody is there.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "poll") event.detail.headers["X-Clarive-Poll"] = "1";
});

const started = Date.now();
setInterval(() => ask(), 250);
document.addEventListener("visibilitychange", () => ask(true));
window.addEventListener("online", () => ask(true));
document.addEventListener("htmx:sendError", () => showConnection(true));
document.addEventListener("htmx:timeout", () => showConnection(true));
document.addEventListener("htmx:responseError", (event) => showConnection(event.detail.xhr.status >= 500));
document.addEventListener("htmx:afterOnLoad", () => showConnection(false));

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A form that takes long is sent once.
document.addEventListener("submit", (event) => {
  const button = event.target.querySelector("[data-busy]");
  if (!button) return;
  button.disabled = true;
  button.textContent = button.dataset.busy;
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

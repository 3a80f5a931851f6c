// What every page does: tell the zone, close menus, send a form once. Following what happens is in live.js.

// The server shows times in this zone to readers who chose none.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) {
  document.cookie = `clarive_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

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
const sent = new WeakSet();
document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter?.matches("[data-busy]") ? event.submitter : form.querySelector("[data-busy]");
  if (!button || event.defaultPrevented) return;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  sent.add(form);
  // Later: the name and value of a button that is disabled by now would not be sent.
  setTimeout(() => {
    button.disabled = true;
    button.textContent = button.dataset.busy;
  });
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

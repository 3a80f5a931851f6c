// The menu of a row: asks for its entries when it is opened, and stands beside its button without being cut off.

const GAP = 4;

function list(menu) {
  return menu.querySelector(".menu-list");
}

function place(menu) {
  // The table scrolls sideways, which would cut off what stands out below it.
  const box = menu.querySelector("summary").getBoundingClientRect();
  const entries = list(menu);
  entries.classList.add("is-placed");
  const height = entries.offsetHeight;
  const below = box.bottom + GAP + height <= window.innerHeight || box.top < height;
  entries.style.top = `${Math.max(GAP, below ? box.bottom + GAP : box.top - GAP - height)}px`;
  entries.style.left = `${Math.max(GAP, Math.min(box.right, window.innerWidth - GAP) - entries.offsetWidth)}px`;
}

function closeAll(except = null) {
  for (const menu of document.querySelectorAll("[data-row-menu][open]")) {
    if (menu !== except) menu.open = false;
  }
}

function opened(event) {
  const menu = event.target;
  if (!(menu instanceof HTMLDetailsElement) || !menu.matches("[data-row-menu]") || !menu.open) return;
  closeAll(menu);
  place(menu);
  window.htmx?.trigger(menu, "open-menu");
}

// "toggle" does not bubble.
document.addEventListener("toggle", opened, true);

// A job that is gone meanwhile is said in the menu.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.elt?.matches?.("[data-row-menu]") && event.detail.xhr.status === 404) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  const menu = event.target.closest?.("[data-row-menu]");
  if (!menu?.open) return;
  place(menu);
  const wants = menu.dataset.focus === "1";
  delete menu.dataset.focus;
  if (wants) (list(menu).querySelector(".menu-action") ?? list(menu).querySelector("a"))?.focus();
});

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("[data-row-menu][open]");
  if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const entries = [...list(menu).querySelectorAll("a")];
  const here = entries.indexOf(document.activeElement);
  const next = { ArrowDown: here + 1, ArrowUp: here < 0 ? -1 : here - 1, Home: 0, End: -1 }[event.key];
  entries.at(next % entries.length)?.focus();
  event.preventDefault();
  event.stopPropagation();
});

window.addEventListener("scroll", () => closeAll(), { passive: true, capture: true });
window.addEventListener("resize", () => closeAll());

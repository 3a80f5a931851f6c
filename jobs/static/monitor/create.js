// The form of a new job: it refreshes what follows from a choice, and loses nothing that is being typed meanwhile.

import { combobox } from "./combobox.js";

const form = document.getElementById("create-form");
const preview = document.getElementById("preview");

function controls(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select, textarea")];
}

// What the server sends back is what was typed when it was asked; what has been typed since is newer.
let typed = new Map();
let focused = null;

function remember(part) {
  typed = new Map(controls(part).map((control) => [control.name, control.value]));
  const active = document.activeElement;
  focused = part.contains(active) ? { id: active.id, at: active.selectionStart } : null;
}

function restore(part) {
  for (const control of controls(part)) {
    const value = typed.get(control.name);
    const isOffered = control.tagName !== "SELECT" || [...control.options].some((option) => option.value === value);
    if (value !== undefined && isOffered) control.value = value;
  }
  if (!focused) return;
  const again = document.getElementById(focused.id);
  again?.focus();
  if (typeof focused.at === "number" && again?.setSelectionRange) again.setSelectionRange(focused.at, focused.at);
}

if (form && preview) {
  // The page does by itself what these buttons are for.
  for (const part of form.querySelectorAll("[data-without-script]")) part.hidden = true;
  form.addEventListener("change", () => window.htmx?.trigger(preview, "refresh"));
  document.addEventListener("htmx:oobBeforeSwap", (event) => remember(event.detail.target));
  document.addEventListener("htmx:oobAfterSwap", (event) => restore(document.getElementById(event.detail.target.id)));
  combobox(form.querySelector("[data-revisions]"), form.elements.project);
}

// Tries patterns while somebody types; without this script the button does it.

const box = document.querySelector("[data-trial]");
const form = box.closest("form");
const results = box.querySelector("[data-results]");
const said = box.querySelector("[data-said]");
const PAUSE = 400;
let timer;
let asked;

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const body = new FormData();
  for (const name of ["csrfmiddlewaretoken", "include", "exclude", "paths"]) {
    const field = form.elements.namedItem(name);
    if (field) body.set(name, field.value);
  }
  if (form.elements.namedItem("everything")?.checked) body.set("everything", "on");
  body.set("nature", box.dataset.nature);
  if (!body.get("paths").trim()) {
    results.replaceChildren();
    return;
  }
  try {
    const answer = await fetch(box.dataset.trial, { method: "POST", body, signal: asked.signal });
    if (!answer.ok) return;
    // The server has escaped whatever was typed.
    results.innerHTML = await answer.text();
    said.textContent = results.querySelector("[data-summary]")?.textContent ?? "";
  } catch {
    // Another question was asked meanwhile, or the server is away: the button still works.
  }
}

form.addEventListener("input", (event) => {
  if (!["include", "exclude", "paths", "everything"].includes(event.target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
});

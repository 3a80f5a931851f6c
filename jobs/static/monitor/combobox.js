// The revisions of a project, looked up as one types: a list box below the field, worked by keyboard or pointer.

const PAUSE = 200;

export function combobox(field, project) {
  const input = field.querySelector("input");
  const button = field.querySelector("[data-look]");
  const list = document.createElement("div");
  const status = document.createElement("p");
  let active = -1;
  let timer = 0;
  let asking = null;

  field.querySelector(".combo-found")?.remove();
  list.className = "combo-list";
  list.id = "revision-list";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", field.dataset.label);
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  input.closest(".combo").append(list);
  field.append(status);
  const properties = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id };
  for (const [name, value] of Object.entries(properties)) input.setAttribute(name, value);

  const options = () => [...list.querySelectorAll("[role=option]")];

  function show(isShown) {
    list.hidden = !isShown;
    input.setAttribute("aria-expanded", String(isShown));
    if (isShown) return;
    mark(-1);
    // What is answered, or fails, later would open it again.
    asking?.abort();
  }

  function mark(index) {
    active = index;
    for (const [place, option] of options().entries()) {
      option.setAttribute("aria-selected", String(place === index));
      if (place !== index) continue;
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }
    if (index < 0) input.removeAttribute("aria-activedescendant");
  }

  // Several revisions stand side by side: the one at the cursor is looked up and replaced.
  function word() {
    const at = input.selectionStart ?? input.value.length;
    const begin = input.value.lastIndexOf(" ", at - 1) + 1;
    const end = input.value.indexOf(" ", at);
    return { begin, end: end < 0 ? input.value.length : end };
  }

  function pick(option) {
    const { begin, end } = word();
    const before = input.value.slice(0, begin) + option.dataset.value;
    input.value = before + input.value.slice(end);
    input.setSelectionRange(before.length, before.length);
    show(false);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function say(text) {
    const note = document.createElement("p");
    note.className = "combo-note";
    note.textContent = text;
    list.replaceChildren(note);
    status.textContent = text;
    show(true);
  }

  async function look() {
    asking?.abort();
    asking = new AbortController();
    if (!project.value) return say(field.dataset.noProject);
    const { begin, end } = word();
    const query = new URLSearchParams({ project: project.value, q: input.value.slice(begin, end) });
    if (list.hidden) say(field.dataset.busyText);
    try {
      const answer = await fetch(`${field.dataset.revisions}?${query}`, {
        headers: { "HX-Request": "true" },
        signal: asking.signal,
      });
      if (answer.headers.has("HX-Refresh")) return window.location.reload();
      if (!answer.ok) return say(field.dataset.failed);
      const text = await answer.text();
      if (document.activeElement !== input) return show(false);
      list.innerHTML = text;
      status.textContent = list.querySelector("[data-count], [data-note]")?.textContent.trim() ?? "";
      mark(-1);
      show(true);
    } catch (error) {
      if (error.name !== "AbortError") say(field.dataset.failed);
    }
  }

  function step(by) {
    const count = options().length;
    if (count) mark(active < 0 && by < 0 ? count - 1 : (active + by + count) % count);
  }

  const keys = {
    ArrowDown: () => (list.hidden ? look() : step(1)),
    ArrowUp: () => (list.hidden ? look() : step(-1)),
    Escape: () => !list.hidden && show(false),
    Enter: () => {
      if (list.hidden || active < 0) return false;
      pick(options()[active]);
    },
  };

  input.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (act && act() !== false) event.preventDefault();
  });
  input.addEventListener("input", () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(look, PAUSE);
  });
  input.addEventListener("blur", () => {
    window.clearTimeout(timer);
    show(false);
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) pick(option);
  });
  button.type = "button";
  button.addEventListener("pointerdown", (event) => event.preventDefault());
  button.addEventListener("click", () => {
    input.focus();
    if (list.hidden) look();
    else show(false);
  });
}

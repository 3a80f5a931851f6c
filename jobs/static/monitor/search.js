// The search box completes what is typed: a combobox with a list, as WAI-ARIA describes it. Without this file it is a text field.

const PAUSE = 120;
const box = document.querySelector("[data-search]");

class Completion {
  constructor(frame) {
    this.address = frame.dataset.search;
    this.input = frame.querySelector("input");
    this.begin = 0;
    this.active = -1;
    this.list = document.createElement("ul");
    Object.assign(this.list, { id: "suggestions", className: "suggestions", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", this.input.getAttribute("aria-label"));
    this.status = document.createElement("p");
    this.status.className = "visually-hidden";
    this.status.setAttribute("role", "status");
    this.counted = frame.dataset.count;
    frame.append(this.list, this.status);
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-controls": "suggestions",
      "aria-expanded": "false",
    })) {
      this.input.setAttribute(name, value);
    }
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    // The list goes when the box loses focus, so a press must not take it.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(this.options().indexOf(option));
    });
  }

  options() {
    return [...this.list.children];
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  async ask() {
    this.request?.abort();
    this.request = new AbortController();
    const text = this.input.value.slice(0, this.input.selectionStart ?? undefined);
    try {
      const answer = await fetch(`${this.address}?text=${encodeURIComponent(text)}`, {
        signal: this.request.signal,
        headers: { Accept: "application/json" },
      });
      // Whose session has ended gets the page to sign in.
      if (!answer.ok || answer.redirected) return this.close();
      const { from, items } = await answer.json();
      // The server counts whole characters, and this file half ones.
      this.begin = [...text].slice(0, from).join("").length;
      this.show(items);
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }

  show(items) {
    this.list.replaceChildren(
      ...items.map(({ text, label }, place) => {
        const option = document.createElement("li");
        option.id = `suggestion-${place}`;
        option.className = "suggestion";
        option.dataset.text = text;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        const about = document.createElement("small");
        about.textContent = label;
        option.append(text, about);
        return option;
      }),
    );
    if (!items.length || document.activeElement !== this.input) return this.close();
    this.mark(-1);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.status.textContent = `${this.counted} ${items.length}`;
  }

  close() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.list.hidden = true;
    this.mark(-1);
    this.input.setAttribute("aria-expanded", "false");
    this.status.textContent = "";
  }

  mark(place) {
    this.active = place;
    for (const [at, option] of this.options().entries()) option.setAttribute("aria-selected", String(at === place));
    const option = this.options()[place];
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  key(event) {
    if (event.isComposing) return;
    const size = this.list.hidden ? 0 : this.options().length;
    if (event.key === "ArrowDown" && !size) {
      event.preventDefault();
      this.ask();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!size) return;
      event.preventDefault();
      // One place more than there are options: the text as it was typed.
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.mark(((this.active + 1 + step + size + 1) % (size + 1)) - 1);
    } else if (event.key === "Enter" && size && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    } else if (event.key === "Escape" && size) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    }
  }

  take(place) {
    const { text } = this.options()[place].dataset;
    const end = this.input.selectionStart ?? this.input.value.length;
    const goesOn = /[:<>]$/.test(text);
    const before = this.input.value.slice(0, this.begin).replace(/"$/, "");
    const put = goesOn ? text : `${text} `;
    this.input.value = before + put + this.input.value.slice(end).trimStart();
    const cursor = before.length + put.length;
    this.input.setSelectionRange(cursor, cursor);
    this.close();
    if (goesOn) this.ask();
  }
}

if (box) new Completion(box);

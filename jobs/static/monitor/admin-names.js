// Names for what the admin's own scripts make of some fields.

// A box with a search is named by what is chosen in it alone: by nothing, as long as nothing is.
function nameBox(box) {
  const field = box.previousElementSibling;
  const label = field?.labels?.[0];
  const chosen = box.querySelector(".select2-selection__rendered");
  if (!label || !chosen) return;
  label.id ||= `${field.id}-label`;
  chosen.setAttribute("aria-labelledby", label.id);
  box.querySelector("[role=combobox]")?.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
}

function nameAll() {
  for (const box of document.querySelectorAll(".select2-container:not([data-named])")) {
    box.dataset.named = "";
    nameBox(box);
  }
  // The lens above two lists has a name, and nothing that may have one.
  for (const lens of document.querySelectorAll(".search-label-icon[aria-label]:not([role])")) lens.setAttribute("role", "img");
  nameCells();
}

// In a table of rows below a form each field has the name of its column, which stands once above all of them.
function nameCells() {
  for (const field of document.querySelectorAll(".tabular td :is(input, select, textarea):not([type=hidden], [aria-label])")) {
    const cell = field.closest("td");
    const head = field.labels?.length ? null : cell.closest("table").tHead?.rows[0].cells[cell.cellIndex];
    if (head) field.setAttribute("aria-label", head.textContent.trim());
  }
}

// They are made when the page has been read, and with each row that is added to a form.
if (document.querySelector(".admin-autocomplete, .selectfilter, .selectfilterstacked, .tabular")) {
  nameAll();
  new MutationObserver(nameAll).observe(document.getElementById("content"), { childList: true, subtree: true });
}

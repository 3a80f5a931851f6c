// Asks for the changing part of a page again, while somebody looks and does not use it.

const part = document.querySelector("[data-live]");
const lost = document.querySelector("[data-lost]");
const USUAL = 3000;
const LONGEST = 30000;
let pause = USUAL;

function isBusy() {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
}

async function refresh() {
  if (!document.hidden && !isBusy()) {
    try {
      const answer = await fetch(part.dataset.live, { redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
      part.innerHTML = text;
      if (focused) document.getElementById(focused)?.focus();
      lost.hidden = true;
      pause = USUAL;
    } catch {
      lost.hidden = false;
      pause = Math.min(LONGEST, 2 * pause);
    }
  }
  setTimeout(refresh, pause);
}

setTimeout(refresh, pause);

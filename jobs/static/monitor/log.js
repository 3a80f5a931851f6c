// The log page: follow the end, keep the page small, link to a line without loading again.

const MOST_LINES = 3000;
const log = document.getElementById("log");
const follow = document.querySelector("[data-follow]");
const label = document.querySelector("[data-follow-label]");

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 40;
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
}

function trim() {
  // What scrolled away is a click on "Earlier lines" away; only a reader at the end loses it.
  let spare = log.getElementsByClassName("line").length - MOST_LINES;
  while (spare > 0 && log.firstElementChild) {
    if (log.firstElementChild.classList.contains("line")) spare -= 1;
    log.firstElementChild.remove();
  }
}

const isLive = document.querySelector("#log-end[hx-get]") !== null;
if (isLive) {
  label.hidden = false;
  let own = 0;
  log.addEventListener("scroll", () => {
    if (Date.now() - own > 150) follow.checked = isAtEnd();
  });
  follow.addEventListener("change", () => {
    if (follow.checked) toEnd();
  });
  document.addEventListener("htmx:afterSwap", () => {
    log.querySelector("[data-log-empty]")?.remove();
    if (follow.checked) {
      trim();
      own = Date.now();
      toEnd();
    }
  });
}

if (!window.location.hash && !new URLSearchParams(window.location.search).has("after")) toEnd();

log.addEventListener("click", (event) => {
  const number = event.target.closest(".no");
  if (!number || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  for (const line of log.querySelectorAll(".is-marked")) line.classList.remove("is-marked");
  number.parentElement.classList.add("is-marked");
  window.history.replaceState(null, "", number.getAttribute("href"));
});

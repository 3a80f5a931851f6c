// The page of a job: the clock of a trap counts down. Without this it says how much was left when the page was made.

const differences = new WeakMap();

function differenceOf(clock) {
  // The server's time, not that of a machine that may go wrong.
  if (!differences.has(clock)) differences.set(clock, Date.now() - Date.parse(clock.dataset.now));
  return differences.get(clock);
}

function two(number) {
  return String(number).padStart(2, "0");
}

function inWords(left) {
  // As the server says it, but to the second; the units are the same in every language of the product.
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  if (hours) return `${hours} h ${two(minutes)} min ${two(seconds)} s`;
  return minutes ? `${minutes} min ${two(seconds)} s` : `${seconds} s`;
}

function tick() {
  if (document.hidden) return;
  for (const clock of document.querySelectorAll("[data-until]")) {
    const left = Math.max(0, Math.floor((Date.parse(clock.dataset.until) - (Date.now() - differenceOf(clock))) / 1000));
    clock.textContent = inWords(left);
  }
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);

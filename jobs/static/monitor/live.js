// Parts of pages that follow what happens: a stream of hints says that something has changed, and the part is asked for
// again. An element with `data-poll` (milliseconds) and an address of itself in `hx-get` follows.
//
// Browsers open six connections to a host over HTTP/1.1, for all tabs together. Only a page in sight holds one for its
// stream, so it takes six windows side by side until one has to wait; a hidden tab holds none and asks nothing.

const TICK = 250;
const LEAST = 500; // between two asks of one part, however much happens
const AGAIN = 1000; // before the first try to connect anew
const LONGEST = 30_000;
const REFUSED = 600_000; // a stream that this server does not give is asked for no more often in the end
const SILENCE = 40_000; // the stream gives a sign of life every 15 s
const GONE = [400, 403, 404, 410]; // the reader may not see it any more, or it is no more
const LASTING = ["environment", "project", "rule", "type", "created_by"]; // what stays with a job

const started = Date.now();
const asked = new Map(); // by id of the part: when, and how long the answer took
let failures = 0;

const stream = { source: null, isTold: false, heard: 0, hinted: 0, isUrgent: false, failures: 0, retry: 0 };

function parts() {
  return document.querySelectorAll("[data-poll][hx-get]");
}

function address() {
  const found = new URL(document.body.dataset.stream, window.location.href);
  if (found.searchParams.has("job")) return found;
  const here = new URLSearchParams(window.location.search);
  for (const name of LASTING) {
    for (const value of here.getAll(name)) if (value) found.searchParams.append(name, value);
  }
  return found;
}

function hush() {
  stream.source?.close();
  stream.source = null;
  stream.isTold = false;
}

function hint(isUrgent) {
  stream.heard = stream.hinted = Date.now();
  stream.isUrgent ||= isUrgent;
  tick();
}

function lose() {
  // Closed: there was an answer, and it was no stream. Otherwise there was none, or it broke off.
  const most = stream.source?.readyState === EventSource.CLOSED ? REFUSED : LONGEST;
  hush();
  // All pages lose a server that is started again at once; they do not all come back at once.
  const pause = Math.min(most, AGAIN * 2 ** stream.failures) * (0.5 + Math.random());
  stream.failures += 1;
  stream.retry = Date.now() + pause;
}

function listen() {
  if (stream.source || !window.EventSource || !document.body.dataset.stream || Date.now() < stream.retry) return;
  stream.source = new EventSource(address());
  stream.heard = Date.now();
  stream.source.addEventListener("begin", () => {
    stream.isTold = true;
    stream.failures = 0;
    hint(true);
  });
  stream.source.addEventListener("changed", () => hint(false));
  stream.source.addEventListener("beat", () => (stream.heard = Date.now()));
  stream.source.addEventListener("rights", () => {
    document.dispatchEvent(new CustomEvent("live:rights"));
    hint(true);
  });
  // Lost, refused, or not to be had on this server (204): then the parts ask at their own pace meanwhile.
  stream.source.addEventListener("error", lose);
}

function isDue(element, now) {
  const last = asked.get(element.id) ?? { at: started, took: 0 };
  const since = now - last.at;
  const usual = Number(element.dataset.poll);
  if (failures) return since >= Math.min(LONGEST, usual * 2 ** failures);
  if (!stream.isTold) return since >= usual;
  // A server that takes long is asked less.
  if (stream.hinted >= last.at) return stream.isUrgent || since >= Math.max(LEAST, 5 * last.took);
  // What passes without an event, such as a date, and whatever a hint should have said.
  return since >= Math.max(LONGEST / 2, 10 * usual);
}

// While nothing answers one part asks for all: each that fails makes the next try later.
function askers(isForced) {
  const all = [...parts()];
  if (!failures || isForced) return all;
  return all.sort((one, other) => one.dataset.poll - other.dataset.poll).slice(0, 1);
}

function ask(isForced = false) {
  const now = Date.now();
  for (const element of askers(isForced)) {
    if (element.classList.contains("htmx-request") || !(isForced || isDue(element, now))) continue;
    asked.set(element.id, { at: now + 1, took: 0 });
    window.htmx.trigger(element, "poll");
  }
  stream.isUrgent = false;
}

function tick(isForced = false) {
  if (document.hidden || !window.htmx) return;
  if (!parts().length) {
    hush();
    return;
  }
  if (stream.source && Date.now() - stream.heard > SILENCE) lose();
  listen();
  ask(isForced);
}

function showConnection(isLost) {
  failures = isLost ? failures + 1 : 0;
  document.querySelector("[data-offline]").hidden = !isLost;
  if (isLost && stream.source) lose();
}

function isAsk(event) {
  return event.detail.requestConfig?.triggeringEvent?.type === "poll";
}

// What the page asks by itself says nothing about whether somebody is there.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.triggeringEvent?.type === "poll") event.detail.headers["X-Clarive-Poll"] = "1";
});
document.addEventListener("htmx:sendError", () => showConnection(true));
document.addEventListener("htmx:timeout", () => showConnection(true));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  showConnection(status >= 500);
  // The whole page says why, and shows nothing of what is not to be seen any more.
  if (isAsk(event) && GONE.includes(status)) window.location.reload();
});
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.xhr.status < 400) showConnection(false);
  const last = isAsk(event) && asked.get(event.detail.elt.id);
  if (last) last.took = Date.now() - last.at;
});

document.addEventListener("visibilitychange", () => (document.hidden ? hush() : tick(true)));
window.addEventListener("pagehide", hush);
window.addEventListener("offline", () => showConnection(true));
window.addEventListener("online", () => {
  stream.retry = 0;
  tick(true);
});
setInterval(tick, TICK);
tick();

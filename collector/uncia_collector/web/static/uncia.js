// The script of every page: prevents answers to unseen pictures, hides old pages after a log-out, handles keys.
// Every key has a button, so the pages work without this script. Loaded in the head, so that it gets the first press.
"use strict";
const byId = (id) => document.getElementById(id);

// #1 After a log-out, and after an answer, Back loads the page again. The browser's kept copy is never shown.
addEventListener("pagehide", (event) => { document.documentElement.hidden = event.persisted; });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// #2 An answer counts only if its press began at least half a second after the picture was loaded (or failed to load),
// and half a second after any press that came too soon. So a held key and a double tap never answer. One answer a page.
const SETTLE_MS = 500;
let openAt = Infinity, pressedAt = null, sent = false, timer;
document.documentElement.classList.add("scripted");
addEventListener("pointerdown", (event) => { pressedAt = event.timeStamp; }, true);
addEventListener("keydown", (event) => {
  if (!event.repeat) pressedAt = event.timeStamp;
  else if (event.key === "Enter" || (event.key === " " && !isTyping(event.target))) event.preventDefault();
}, true);

function settle(from) {
  openAt = from + SETTLE_MS;
  document.documentElement.classList.remove("ready");
  clearTimeout(timer);
  timer = setTimeout(() => document.documentElement.classList.add("ready"), openAt - performance.now());
}

// Whether all pictures of the selected cards are loaded.
const picturesThere = () => [...document.querySelectorAll("li:has(:checked) img")].every((one) => one.complete && one.naturalWidth);

addEventListener("submit", (event) => {
  if (!event.target.matches("[data-answer]")) return;
  const at = pressedAt ?? event.timeStamp;
  pressedAt = null;
  if (!sent && at >= openAt && picturesThere()) {
    sent = true;
    return;
  }
  event.preventDefault();
  if (sent) return;
  if (openAt < Infinity) settle(at);
  const notice = document.querySelector(".wait");
  if (notice) notice.hidden = false;
}, true);

addEventListener("DOMContentLoaded", () => {
  document.querySelector("nav a[aria-current]")?.scrollIntoView({inline: "center", block: "nearest"});
  const picture = byId("picture"), seen = () => settle(performance.now());
  const broken = () => { byId("broken").hidden = false; seen(); };
  if (!picture || (picture.complete && picture.naturalWidth)) seen();
  else if (picture.complete) broken();
  else {
    picture.addEventListener("load", seen, {once: true});
    picture.addEventListener("error", broken, {once: true});
  }
});

// Show the number of selected sequences.
function count() {
  const boxes = [...document.querySelectorAll(".pick :checked")];
  const many = boxes.reduce((sum, one) => sum + one.value.trim().split(" ").length, 0);
  if (byId("selected")) byId("selected").textContent = many || "";
}
addEventListener("change", count);
addEventListener("reset", () => setTimeout(count));

// #3 Keys: on Latin layouts by the letter (so that Y is Y on a German keyboard), on other layouts by the position.
const byKey = {y: "confirm", n: "reject", u: "undo", ArrowLeft: "newer", ArrowRight: "older", j: "older", k: "newer", g: "up", a: "activation",
  h: "previous", l: "next", p: "play", z: "size", b: "box", i: "infrared"};
const isTyping = (one) => /^(INPUT|SELECT|TEXTAREA)$/.test(one.tagName) && one.type !== "range" && one.type !== "checkbox";

function keyOf(event) {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (letter <= "~" || !/^(Key|Digit)/.test(event.code)) return letter;
  return event.code.replace(/^(Key|Digit)/, "").toLowerCase();
}

function walk(step) {
  const all = [...document.querySelectorAll(".card")];
  const at = all.indexOf(document.activeElement);
  all[Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
}

// While the panel of labels is open, a digit chooses a label, unless the person is typing a name.
function labelled(key, typed) {
  const another = byId("another");
  const button = another?.open && !typed && another.querySelectorAll("[name=label][value]")[key - 1];
  if (button) button.click();
  return Boolean(button);
}

function act(key, again) {
  const step = {ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1}[key];
  if (document.querySelector(".card") && step) walk(step);
  else if (again) return false;
  else if (key === "r" && byId("another")) {
    byId("another").open = true;
    byId("label").focus();
  } else if (key === "x" && document.activeElement.matches(".card")) {
    document.activeElement.parentElement.querySelector(".pick input")?.click();
  } else if (byId(byKey[key])?.getClientRects().length) {
    byId(byKey[key]).click();
  } else return false;
  return true;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const key = keyOf(event), typing = isTyping(event.target);
  if (event.target.type === "range" && key.startsWith("Arrow")) return;
  if (key === "Escape") {
    if (typing) event.target.blur();
    for (const panel of ["another", "more"].map(byId)) if (panel) panel.open = false;
    document.querySelector(".many")?.reset();
  } else if ((!event.repeat && labelled(key, typing && event.target.value)) || (!typing && act(key, event.repeat))) event.preventDefault();
});

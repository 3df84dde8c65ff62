// Keys for review and for walking through sequences; every key has a button, so nothing here is needed to work.
"use strict";
const byKey = {y: "confirm", n: "reject", u: "undo", ArrowLeft: "newer", ArrowRight: "older", j: "older", k: "newer", g: "up", a: "activation"};
const cards = () => [...document.querySelectorAll(".card")];

function walk(step) {
  const all = cards();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  all[Math.max(0, Math.min(all.length - 1, at + step))].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && event.target.id === "label") {
      event.preventDefault();
      document.getElementById("relabel").click();
    }
    return;
  }
  if (event.key === "r" && document.getElementById("label")) {
    event.preventDefault();
    document.getElementById("label").focus();
    return;
  }
  const button = document.getElementById(byKey[event.key]);
  if (button) {
    event.preventDefault();
    button.click();
  } else if (cards().length && ["ArrowRight", "j", "ArrowLeft", "k"].includes(event.key)) {
    event.preventDefault();
    walk(["ArrowRight", "j"].includes(event.key) ? 1 : -1);
  }
});

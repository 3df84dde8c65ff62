// Keys for review and for walking through sequences; every key has a button, so nothing here is needed to work.
"use strict";
const byKey = {y: "confirm", n: "reject", u: "undo", ArrowLeft: "newer", ArrowRight: "older", j: "older", k: "newer", g: "up", a: "activation"};
const cards = () => [...document.querySelectorAll(".card")];
const another = document.getElementById("another");
document.querySelector("nav a[aria-current]")?.scrollIntoView({inline: "center", block: "nearest"});

function walk(step) {
  const all = cards();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  all[Math.max(0, Math.min(all.length - 1, at + step))].focus();
}

// While the labels are open, a digit takes one, unless somebody is typing a name.
function labelled(event, typed) {
  const button = another?.open && !typed && another.querySelectorAll("[name=label][value]")[event.key - 1];
  if (button) button.click();
  return Boolean(button);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    if (another) another.open = false;
  } else if (labelled(event, typing && event.target.value)) {
    event.preventDefault();
  } else if (typing) {
    return;
  } else if (event.key === "r" && another) {
    event.preventDefault();
    another.open = true;
    document.getElementById("label").focus();
  } else if (document.getElementById(byKey[event.key])) {
    event.preventDefault();
    document.getElementById(byKey[event.key]).click();
  } else if (cards().length && ["ArrowRight", "j", "ArrowLeft", "k"].includes(event.key)) {
    event.preventDefault();
    walk(["ArrowRight", "j"].includes(event.key) ? 1 : -1);
  }
});

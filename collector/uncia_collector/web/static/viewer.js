// The viewer of one sequence: one large frame; play, zoom, light, boxes. Without this script, thumbnails are links.
"use strict";
const STILL_MS = 300, PLAY_MS = 350, MOST_ZOOM = 40;
const stage = byId("stage"), sheet = byId("sheet"), picture = byId("picture"), boxes = byId("boxes");
const frames = [...document.querySelectorAll(".strip a.frame")];
const press = (id, on) => byId(id).setAttribute("aria-pressed", on);
// `at` is -1 while a preview is shown, because its frame has not arrived yet.
let at = frames.findIndex((one) => one.matches("[aria-current]")), still, playing, view = {x: 0, y: 0, scale: 1};

// #1 Show the small picture first, and the original when the viewer stays on the frame.
function show(index) {
  if (!frames.length) return;
  at = (index + frames.length) % frames.length;
  for (const one of frames) one.removeAttribute("aria-current");
  frames[at].setAttribute("aria-current", "true");
  frames[at].scrollIntoView({inline: "nearest", block: "nearest"});
  picture.src = frames[at].dataset.small;
  picture.alt = frames[at].dataset.alt;
  drawBox(frames[at].dataset.box.split(","));
  clearTimeout(still);
  if (!playing) still = setTimeout(sharpen, STILL_MS);
}

async function sharpen() {
  const frame = frames[at], original = new Image();
  if (!frame || frame.dataset.small.includes(".activation.") || picture.src === frame.href) return;
  original.src = frame.href;
  try { await original.decode(); } catch { return; }  // keep the small one
  if (frame === frames[at] && !playing) picture.src = original.src;
}

function drawBox(sides) {
  const {width, height} = boxes.viewBox.baseVal, box = boxes.querySelector("rect");
  ["x", "y", "width", "height"].forEach((name, k) => box.setAttribute(name, (sides[k] || 0) * (k % 2 ? height : width)));
}

function play() {
  clearInterval(playing);
  playing = playing ? undefined : setInterval(() => show(at + 1), PLAY_MS);
  press("play", Boolean(playing));
  if (!playing) show(at);
}

function step(by) {
  if (playing) play();
  show(Math.max(at + by, -1));  // from a preview, too, the frame before is the last one
}

// #2 Zoom by wheel, two fingers or the key z; one finger moves a picture that is larger than the stage.
function look({scale, x, y}) {
  const {clientWidth: width, clientHeight: height} = stage;
  view = {scale, x: Math.min(0, Math.max(width * (1 - scale), x)), y: Math.min(0, Math.max(height * (1 - scale), y))};
  sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${scale})`;
  stage.classList.toggle("zoomed", scale > 1);
  press("size", scale > 1);
}

function zoom(factor, x, y) {
  const scale = Math.min(MOST_ZOOM, Math.max(1, view.scale * factor)), by = scale / view.scale;
  look({scale, x: x - by * (x - view.x), y: y - by * (y - view.y)});
}

// Zoom so that one pixel of the picture is one pixel of the screen, around the middle of the box; or zoom back.
async function originalSize() {
  if (view.scale > 1) return look({scale: 1, x: 0, y: 0});
  await sharpen();
  const {clientWidth: width, clientHeight: height} = stage, {naturalWidth: wide, naturalHeight: high} = picture;
  const fit = Math.min(width / wide, height / high), scale = Math.max(1, 1 / fit / devicePixelRatio);
  const [left, top, across, down] = (frames[at]?.dataset.box || "0,0,1,1").split(",").map(Number);
  const x = width / 2 + (left + across / 2 - 0.5) * wide * fit, y = height / 2 + (top + down / 2 - 0.5) * high * fit;
  look({scale, x: width / 2 - scale * x, y: height / 2 - scale * y});
}

const fingers = new Map();

function inside({clientX, clientY}) {
  const {x, y} = stage.getBoundingClientRect();
  return [clientX - x, clientY - y];
}

function spread() {
  const [[ax, ay], [bx, by]] = [...fingers.values()];
  return {x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(ax - bx, ay - by))};
}

function moved(event) {
  if (!fingers.has(event.pointerId)) return;
  const before = fingers.size === 2 ? spread() : null, [x, y] = fingers.get(event.pointerId), now = inside(event);
  fingers.set(event.pointerId, now);
  if (before) zoom(spread().apart / before.apart, spread().x, spread().y);
  else look({...view, x: view.x + now[0] - x, y: view.y + now[1] - y});
}

function hearFingers() {
  stage.addEventListener("wheel", (event) => {
    if (view.scale === 1 && event.deltaY > 0) return;  // let the page scroll
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), ...inside(event));
  }, {passive: false});
  stage.addEventListener("pointerdown", (event) => {
    if (fingers.size === 2) return;
    fingers.set(event.pointerId, inside(event));
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", moved);
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
}

// #3 Brightness and contrast for infrared pictures; boxes, which stay off on the next sequences if switched off.
function shine() {
  const {value: bright} = byId("brightness"), {value: contrast} = byId("contrast");
  picture.style.filter = `brightness(${bright}) contrast(${contrast})`;
  press("infrared", `${bright} ${contrast}` !== "1 1");
}

function lighten() {
  const lit = byId("infrared").getAttribute("aria-pressed") === "true";
  [byId("brightness").value, byId("contrast").value] = lit ? [1, 1] : [2, 1.3];
  shine();
}

function showBoxes(shown) {
  boxes.classList.toggle("off", !shown);
  press("box", shown);
  sessionStorage.boxes = shown ? "on" : "off";
}

if (stage) {
  frames.forEach((one, index) => one.addEventListener("click", (event) => {
    event.preventDefault();
    step(index - at);
  }));
  const buttons = {previous: () => step(-1), next: () => step(1), play, size: originalSize, infrared: lighten,
    box: () => showBoxes(boxes.classList.contains("off"))};
  for (const [id, act] of Object.entries(buttons)) byId(id).onclick = act;
  byId("brightness").oninput = byId("contrast").oninput = shine;
  hearFingers();
  showBoxes(sessionStorage.boxes !== "off");
  still = setTimeout(sharpen, STILL_MS);
}

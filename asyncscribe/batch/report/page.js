"use strict";

const ROW = 48;
const byId = (id) => document.getElementById(id);
const read = (id) => JSON.parse(byId(id).textContent);

const jobs = [];
for (let number = 0; byId(`j${number}`); number++) {
  jobs.push(read(`j${number}`));
  byId(`j${number}`).remove();
}
const limits = read("limits");
const texts = jobs.map((job) => `${job.name}\n${job.text}`.toLowerCase());

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part) => String(part).padStart(2, "0")).join(":");
}

// The list: only the rows in sight are in the page.

let shown = jobs.map((_, number) => number);
let chosen = -1;

function label(job) {
  const facts = [job.state];
  if (job.seconds) facts.push(clock(job.seconds));
  if (job.submissions > 1) facts.push(`${job.submissions} submissions`);
  if (job.reason) facts.push(job.reason);
  return facts.join(" · ");
}

function drawRows() {
  const list = byId("list");
  const rows = byId("rows");
  rows.style.height = `${shown.length * ROW}px`;
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
  const made = [];
  for (let place = first; place < last; place++) {
    const job = jobs[shown[place]];
    const row = element("div", { className: `row ${job.state === "failed" ? "failed" : ""}` },
      element("b", { textContent: job.name }), element("span", { textContent: label(job) }));
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(shown[place] === chosen));
    row.classList.toggle("chosen", shown[place] === chosen);
    row.style.top = `${place * ROW}px`;
    row.onclick = () => open(shown[place]);
    made.push(row);
  }
  rows.replaceChildren(...made);
}

function search() {
  const query = byId("query").value.trim().toLowerCase();
  shown = jobs.map((_, number) => number).filter((number) => texts[number].includes(query));
  byId("found").textContent = query ? `${shown.length} of ${jobs.length}` : `${jobs.length}`;
  byId("list").scrollTop = 0;
  drawRows();
  if (chosen >= 0) markFound();
}

let soon = 0;
byId("query").addEventListener("input", () => {
  clearTimeout(soon);
  soon = setTimeout(search, 80);
});
byId("list").addEventListener("scroll", () => requestAnimationFrame(drawRows));
byId("list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !shown.length) return;
  event.preventDefault();
  const place = Math.min(shown.length - 1, Math.max(0, shown.indexOf(chosen) + step));
  const list = byId("list");
  if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
  if ((place + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ROW - list.clientHeight;
  open(shown[place]);
});
window.addEventListener("resize", () => { drawRows(); drawTimeline(); });

// The reader: a transcript is parsed when it is opened.

let audio = null;
let words = [];
let now = null;

function open(number) {
  const job = jobs[number];
  chosen = number;
  words = [];
  now = null;
  const reader = byId("reader");
  const parts = [element("h3", { textContent: job.name }),
    element("p", { className: "faint", textContent: [label(job), job.id].filter(Boolean).join(" · ") })];
  // One that is out of sight would go on playing, and telling where it is.
  audio?.removeEventListener("timeupdate", follow);
  audio?.pause();
  audio = null;
  if (job.audio) {
    audio = element("audio", { controls: true, preload: "none", src: job.audio });
    audio.addEventListener("timeupdate", follow);
    parts.push(audio);
  }
  const source = byId(`t${number}`);
  if (source) parts.push(...JSON.parse(source.textContent).map(passage));
  else parts.push(element("p", { className: "faint", textContent: "There is no transcript here." }));
  reader.replaceChildren(...parts);
  reader.scrollTop = 0;
  markFound();
  drawRows();
}

function passage([speaker, spoken]) {
  const text = element("div");
  for (const [content, start, end] of spoken) {
    const word = element("span", { className: "word", textContent: content });
    word.onclick = () => play(start);
    words.push({ word, start, end });
    text.append(word, " ");
  }
  const who = [speaker === null ? "" : `Speaker ${speaker}`, spoken.length ? clock(spoken[0][1] / 1000) : ""];
  return element("div", { className: "passage" }, element("div", { textContent: who.filter(Boolean).join(" · ") }), text);
}

function play(start) {
  if (!audio) return;
  audio.currentTime = start / 1000;
  audio.play().catch(() => {});
}

function follow() {
  const moment = audio.currentTime * 1000;
  const current = words.find(({ start, end }) => start <= moment && moment < end);
  if (now) now.word.classList.remove("now");
  now = current ?? null;
  if (now) now.word.classList.add("now");
}

function markFound() {
  const query = byId("query").value.trim().toLowerCase();
  for (const { word } of words) {
    const hit = query && !query.includes(" ") && word.textContent.toLowerCase().includes(query);
    word.style.outline = hit ? "2px solid var(--queued)" : "";
  }
}

// Failures, by reason.

function drawFailures() {
  const reasons = new Map();
  jobs.forEach((job, number) => {
    if (job.state === "failed") reasons.set(job.reason ?? "", [...(reasons.get(job.reason ?? "") ?? []), number]);
  });
  byId("failures").hidden = !reasons.size;
  const sorted = [...reasons].sort((one, other) => other[1].length - one[1].length);
  byId("reasons").replaceChildren(...sorted.map(([reason, numbers]) => element("details", {},
    element("summary", { textContent: `${numbers.length} × ${reason || "no reason given"}` }),
    ...numbers.slice(0, 100).map((number) =>
      element("button", { textContent: jobs[number].name, onclick: () => open(number) })))));
}

// The timeline: a line for each job, in the order of their beginnings.

const SEGMENTS = [["uploading", "upload", "uploading"], ["waiting", "waiting", "waiting for a slot"],
  ["submitting", "waiting", null], ["queued", "queued", "queued at the service"],
  ["processing", "processing", "processing"]];
const ENDS = ["completed", "failed"];

const lines = jobs.map((job, number) => ({ number, spans: spansOf(job) })).filter(({ spans }) => spans.length);
lines.sort((one, other) => one.spans[0].from - other.spans[0].from);
const bounds = {
  from: lines.reduce((least, { spans }) => Math.min(least, spans[0].from), Infinity),
  to: lines.reduce((most, { spans }) => Math.max(most, spans.at(-1).to), 0),
};
let view = { ...bounds };

function spansOf(job) {
  const moments = SEGMENTS.filter(([state]) => state in job.times).map(([state, color]) => ({ from: job.times[state], color }));
  moments.sort((one, other) => one.from - other.from);
  const ended = ENDS.map((state) => job.times[state]).find((moment) => moment !== undefined);
  const last = ended ?? moments.at(-1)?.from;
  return moments.map(({ from, color }, place) => ({
    from,
    to: moments[place + 1]?.from ?? Math.max(last, from),
    color: job.state === "failed" && place === moments.length - 1 ? "failed" : color,
  }));
}

function drawTimeline() {
  const canvas = byId("timeline");
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  if (!lines.length) return;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`);
  const top = 8, bottom = height - 22;
  const across = (moment) => ((moment - view.from) / Math.max(1e-9, view.to - view.from)) * width;
  const step = (bottom - top) / lines.length;
  const thick = Math.max(1, Math.min(step * 0.8, 14));
  for (const name of ["waiting", "upload", "queued", "processing", "failed"]) {
    pen.fillStyle = color(name);
    lines.forEach(({ spans }, place) => {
      for (const span of spans) {
        if (span.color !== name || span.to < view.from || span.from > view.to) continue;
        const left = across(span.from);
        pen.fillRect(left, top + place * step, Math.max(1, across(span.to) - left), thick);
      }
    });
  }
  drawLimit(pen, color, across, top, bottom, width);
  pen.fillStyle = color("faint");
  pen.font = "12px system-ui, sans-serif";
  for (let part = 0; part <= 4; part++) {
    pen.textAlign = ["left", "center", "center", "center", "right"][part];
    const moment = view.from + ((view.to - view.from) * part) / 4;
    pen.fillText(`+${clock(moment - bounds.from)}`, (width * part) / 4, height - 7);
  }
}

function drawLimit(pen, color, across, top, bottom, width) {
  if (!limits.length) return;
  const most = Math.max(...limits.map(([, limit]) => limit));
  const up = (limit) => bottom - (limit / most) * (bottom - top);
  pen.strokeStyle = color("limit");
  pen.lineWidth = 1.5;
  pen.beginPath();
  limits.forEach(([moment, limit], place) => {
    const left = across(moment);
    if (place) pen.lineTo(left, up(limits[place - 1][1]));
    pen[place ? "lineTo" : "moveTo"](left, up(limit));
  });
  pen.lineTo(width, up(limits.at(-1)[1]));
  pen.stroke();
  pen.fillStyle = color("limit");
  pen.textAlign = "right";
  pen.font = "12px system-ui, sans-serif";
  pen.fillText(`limit ${limits.at(-1)[1]}, at most ${most}`, width - 6, up(limits.at(-1)[1]) + (up(limits.at(-1)[1]) < 30 ? 16 : -6));
}

function zoom(factor, part) {
  const moment = view.from + (view.to - view.from) * part;
  view = { from: moment - (moment - view.from) * factor, to: moment + (view.to - moment) * factor };
  requestAnimationFrame(drawTimeline);
}

function move(part) {
  const by = (view.to - view.from) * part;
  view = { from: view.from + by, to: view.to + by };
  requestAnimationFrame(drawTimeline);
}

const canvas = byId("timeline");
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / canvas.clientWidth);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const actions = { "+": () => zoom(0.8, 0.5), "-": () => zoom(1.25, 0.5), ArrowLeft: () => move(-0.1),
    ArrowRight: () => move(0.1), 0: () => { view = { ...bounds }; drawTimeline(); } };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
});
let dragged = null;
canvas.addEventListener("pointerdown", (event) => {
  dragged = { x: event.clientX, far: 0 };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  move((dragged.x - event.clientX) / canvas.clientWidth);
  dragged = { x: event.clientX, far: dragged.far + Math.abs(dragged.x - event.clientX) };
});
canvas.addEventListener("pointerup", (event) => {
  if (dragged && dragged.far < 4 && lines.length) {
    const part = (event.offsetY - 8) / (canvas.clientHeight - 30);
    open(lines[Math.min(lines.length - 1, Math.max(0, Math.floor(part * lines.length)))].number);
  }
  dragged = null;
});

function drawLegend() {
  const names = SEGMENTS.filter(([, , text]) => text).map(([, color, text]) => [color, text]);
  names.push(["failed", "failed"], ["limit", "the limit"]);
  byId("legend").replaceChildren(...names.map(([color, text]) => {
    const sign = element("i");
    sign.style.background = `var(--${color})`;
    return element("span", {}, sign, text);
  }));
}

drawLegend();
drawFailures();
search();
drawTimeline();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTimeline);

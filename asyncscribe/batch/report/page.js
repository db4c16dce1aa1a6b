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
const texts = jobs.map((job) => `${job.name}\n${job.text}`.toLowerCase().replace(/[^\S\n]+/g, " "));
// The search index has the texts: they are not kept twice.
for (const job of jobs) delete job.text;

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

// The list: the page has elements only for visible rows.

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
    row.id = `row${shown[place]}`;
    row.setAttribute("aria-setsize", String(shown.length));
    row.setAttribute("aria-posinset", String(place + 1));
    row.onclick = () => openJob(shown[place]);
    made.push(row);
  }
  rows.replaceChildren(...made);
  const current = byId(`row${chosen}`);
  if (current) list.setAttribute("aria-activedescendant", current.id);
  else list.removeAttribute("aria-activedescendant");
}

function search() {
  const query = wanted();
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
  const page = Math.max(1, Math.floor(byId("list").clientHeight / ROW) - 1);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
  if (!step || !shown.length) return;
  event.preventDefault();
  const place = Math.min(shown.length - 1, Math.max(0, shown.indexOf(chosen) + step));
  openJob(shown[place]);
  scrollToRow(place);
});

function scrollToRow(place) {
  const list = byId("list");
  if (place * ROW < list.scrollTop) list.scrollTop = place * ROW;
  if ((place + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 1) * ROW - list.clientHeight;
  drawRows();
}

window.addEventListener("resize", () => { drawRows(); drawSoon(); });

// The reader: a transcript is parsed when it is opened, and a paragraph gets an element per word when it is nearly visible.

let audio = null;
let words = [];
const paragraphs = new WeakMap();
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) fill(paragraphs.get(entry.target));
}, { root: byId("reader"), rootMargin: "400px" });
let spokenOrder = [];
let spokenStarts = [];
let marked = new Set();
let now = null;

function openJob(number) {
  const job = jobs[number];
  chosen = number;
  stopAudio();
  audio = job.audio.length ? audioOf(job.audio) : null;
  words = [];
  nearby.disconnect();
  const parts = [element("h3", { textContent: job.name }),
    element("p", { className: "faint", textContent: [label(job), job.id].filter(Boolean).join(" · ") })];
  if (audio) parts.push(audio);
  const source = byId(`t${number}`);
  if (source) parts.push(...JSON.parse(source.textContent).map(passage));
  else parts.push(element("p", { className: "faint", textContent: "There is no transcript here." }));
  spokenOrder = [...words].sort((one, other) => one.start - other.start);
  spokenStarts = spokenOrder.map(({ start }) => start);
  marked = new Set();
  byId("reader").replaceChildren(...parts);
  byId("reader").scrollTop = 0;
  if (audio && words.length) elementOf(0).tabIndex = 0;
  const first = markFound();
  if (first !== undefined) elementOf(first).scrollIntoView({ block: "nearest" });
  drawRows();
}

/** Opens a job from elsewhere on the page, and scrolls the list and the transcript into view. */
function showJob(number) {
  openJob(number);
  const place = shown.indexOf(number);
  if (place >= 0) scrollToRow(place);
  byId("reader").scrollIntoView({ block: "nearest" });
}

// A removed player would keep playing.
function stopAudio() {
  audio?.pause();
  audio = null;
  now = null;
}

/** Relative URLs first, in case the folder was moved with its recordings; then where they were when the page was made. */
function audioOf(sources) {
  const made = element("audio", { controls: true, preload: "none" },
    ...sources.map((src) => element("source", { src })));
  made.addEventListener("play", followFrames);
  made.addEventListener("seeked", () => follow(made));
  return made;
}

function passage([speaker, spoken]) {
  const holder = element("div", { textContent: spoken.map(([text]) => text).join(" ") });
  const paragraph = { holder, first: words.length, filled: false };
  for (const [text, start, end] of spoken) words.push({ text, start, end, paragraph, place: words.length, word: null });
  const who = [speaker === null ? "" : `Speaker ${speaker}`, spoken.length ? clock(spoken[0][1] / 1000) : ""];
  const made = element("div", { className: "passage" }, element("div", { textContent: who.filter(Boolean).join(" · ") }), holder);
  paragraphs.set(made, paragraph);
  nearby.observe(made);
  return made;
}

/** Replaces a paragraph's text by an element for each word. */
function fill(paragraph) {
  if (paragraph.filled) return;
  paragraph.filled = true;
  const made = [];
  for (let place = paragraph.first; words[place]?.paragraph === paragraph; place++) {
    const word = element("span", { className: marked.has(place) ? "word found" : "word", textContent: words[place].text });
    word.dataset.place = place;
    if (audio) {
      word.setAttribute("role", "button");
      word.tabIndex = -1;
    }
    words[place].word = word;
    made.push(word, " ");
  }
  paragraph.holder.replaceChildren(...made);
}

function elementOf(place) {
  fill(words[place].paragraph);
  return words[place].word;
}

const placeOf = (target) => Number(target.closest?.(".word")?.dataset.place ?? -1);

byId("reader").addEventListener("click", (event) => {
  const place = placeOf(event.target);
  if (place >= 0 && audio) play(place);
});

// All words are one tab stop; the arrow keys move between them.
byId("reader").addEventListener("keydown", (event) => {
  const place = placeOf(event.target);
  if (place < 0 || !audio) return;
  if (event.key === "Enter" || event.key === " ") play(place);
  else if (event.key === "ArrowRight") focusWord(place + 1);
  else if (event.key === "ArrowLeft") focusWord(place - 1);
  else return;
  event.preventDefault();
});

function focusWord(place) {
  if (!words[place]) return;
  for (const stop of byId("reader").querySelectorAll('.word[tabindex="0"]')) stop.tabIndex = -1;
  elementOf(place).tabIndex = 0;
  elementOf(place).focus();
}

function play(place) {
  focusWord(place);
  audio.currentTime = words[place].start / 1000;
  // If it can't be played, the player itself says so.
  audio.play().catch(() => {});
}

function followFrames(event) {
  const playing = event.target;
  if (playing !== audio) return;
  follow(playing);
  if (!playing.paused && !playing.ended) requestAnimationFrame(() => followFrames(event));
}

function follow(playing) {
  if (playing !== audio) return;
  const current = wordAt(playing.currentTime * 1000);
  if (current === now) return;
  if (now) elementOf(now.place).classList.remove("now");
  now = current;
  if (now) elementOf(now.place).classList.add("now");
}

function wordAt(moment) {
  const last = spokenOrder[lastUpTo(spokenStarts, moment)];
  return last && moment < last.end ? last : null;
}

const wanted = () => byId("query").value.trim().toLowerCase().split(/\s+/).filter(Boolean).join(" ");

/** Marks what is searched for, also across words; returns the place of the first word found. */
function markFound() {
  for (const place of marked) words[place].word?.classList.remove("found");
  marked = placesOf(wanted());
  for (const place of marked) words[place].word?.classList.add("found");
  return marked.values().next().value;
}

function placesOf(query) {
  const places = new Set();
  if (!query) return places;
  const begins = [];
  let text = "";
  for (const word of words) {
    begins.push(text.length);
    text += `${word.text.toLowerCase()} `;
  }
  for (let at = text.indexOf(query); at >= 0; at = text.indexOf(query, at + query.length)) {
    for (let place = lastUpTo(begins, at); begins[place] < at + query.length; place++) places.add(place);
  }
  return places;
}

/** The place of the last number of a sorted list that is not above a limit; -1 if there is none. */
function lastUpTo(numbers, limit) {
  let low = 0, high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// Failures, by reason.

const FAILURES_AT_ONCE = 100;

function drawFailures() {
  const reasons = new Map();
  jobs.forEach((job, number) => {
    if (job.state !== "failed") return;
    const reason = job.reason ?? "";
    if (!reasons.has(reason)) reasons.set(reason, []);
    reasons.get(reason).push(number);
  });
  byId("failures").hidden = !reasons.size;
  const sorted = [...reasons].sort((one, other) => other[1].length - one[1].length);
  byId("reasons").replaceChildren(...sorted.map(([reason, numbers]) => failureGroup(reason, numbers)));
}

function failureGroup(reason, numbers) {
  const group = element("details", {},
    element("summary", { textContent: `${numbers.length} × ${reason || "no reason given"}` }));
  group.addEventListener("toggle", () => addFailures(group, numbers, 0), { once: true });
  return group;
}

function addFailures(group, numbers, first) {
  const next = first + FAILURES_AT_ONCE;
  group.append(...numbers.slice(first, next).map((number) =>
    element("button", { type: "button", textContent: jobs[number].name, onclick: () => showJob(number) })));
  if (next >= numbers.length) return;
  const more = element("button", { type: "button", textContent: `… ${numbers.length - next} more` });
  more.onclick = () => { more.remove(); addFailures(group, numbers, next); };
  group.append(more);
}

// The timeline: a line for each visible job, in the order of their starts; counts by state if there are too many.

const SEGMENTS = [["uploading", "upload", "uploading"], ["waiting", "waiting", "waiting for a slot"],
  ["submitting", "waiting", null], ["queued", "queued", "queued at the service"],
  ["processing", "processing", "processing"], ["ended", "detection", "ended, not noticed yet"]];
const ENDS = ["completed", "failed", "abandoned"];
// From the bottom: the states that the limit counts come first.
const STACK = ["processing", "detection", "failed", "queued", "waiting", "upload"];
const LEAST_STEP = 3;
const TOP = 8, BELOW = 22;

const known = jobs.flatMap((job) => Object.values(job.times));
const latest = known.reduce((most, moment) => Math.max(most, moment), 0);
const lines = jobs.map((job, number) => ({ number, spans: spansOf(job) })).filter(({ spans }) => spans.length);
lines.sort((one, other) => one.spans[0].from - other.spans[0].from);
const bounds = { from: lines.length ? lines[0].spans[0].from : 0, to: latest };
let view = { ...bounds };
let rowsInSight = [];

function spansOf(job) {
  const moments = SEGMENTS.filter(([state]) => state in job.times).map(([state, color]) => ({ from: job.times[state], color }));
  moments.sort((one, other) => one.from - other.from);
  const begun = moments.at(-1)?.from;
  const ended = ENDS.map((state) => job.times[state]).find((moment) => moment >= begun);
  return moments.map(({ from, color }, place) => ({
    from,
    // A job that has not ended lasts until the last known moment of the batch.
    to: moments[place + 1]?.from ?? ended ?? latest,
    color: job.state === "failed" && place === moments.length - 1 ? "failed" : color,
  }));
}

let drawing = 0;
function drawSoon() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(drawTimeline);
}

function drawTimeline() {
  const canvas = byId("timeline");
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "12px system-ui, sans-serif";
  if (!lines.length) return hint("No times are known.");
  const style = getComputedStyle(document.documentElement);
  const sheet = { pen, width, top: TOP, bottom: height - BELOW, color: (name) => style.getPropertyValue(`--${name}`),
    across: (moment) => ((moment - view.from) / Math.max(1e-9, view.to - view.from)) * width };
  const inSight = lines.filter(({ spans }) => spans[0].from <= view.to && spans.at(-1).to >= view.from);
  const many = inSight.length * LEAST_STEP > sheet.bottom - sheet.top;
  rowsInSight = many ? [] : inSight;
  if (many) drawCounts(sheet, inSight);
  else drawLines(sheet, inSight);
  drawTimes(sheet);
  hint(many ? "Jobs at once, by state. Zoom in (wheel, +) for single jobs; drag or arrow keys move, 0 shows all."
    : "A line is a job; a click opens it. Wheel, + and − zoom, dragging or arrow keys move, 0 shows all.");
}

function hint(text) {
  // Set only when it changes, because screen readers announce it.
  if (byId("moment").textContent !== text) byId("moment").textContent = text;
}

function drawLines(sheet, inSight) {
  const step = (sheet.bottom - sheet.top) / Math.max(1, inSight.length);
  const thick = Math.max(1, Math.min(step * 0.8, 14));
  inSight.forEach(({ spans }, place) => {
    for (const span of spans) {
      if (span.to < view.from || span.from > view.to) continue;
      // Clipped, because canvas coordinates lose precision far outside.
      const left = Math.max(-1, sheet.across(span.from));
      const right = Math.min(sheet.width + 1, sheet.across(span.to));
      sheet.pen.fillStyle = sheet.color(span.color);
      sheet.pen.fillRect(left, sheet.top + place * step, Math.max(1, right - left), thick);
    }
  });
  drawLimit(sheet, mostLimit());
}

function drawCounts(sheet, inSight) {
  const columns = Math.max(1, Math.ceil(sheet.width / 2));
  const wide = sheet.width / columns;
  const counts = Object.fromEntries(STACK.map((name) => [name, countsOf(name, inSight, columns)]));
  const total = (column) => STACK.reduce((sum, name) => sum + counts[name][column], 0);
  let most = mostLimit();
  for (let column = 0; column < columns; column++) most = Math.max(most, total(column));
  const high = (sheet.bottom - sheet.top) / Math.max(1, most);
  for (let column = 0; column < columns; column++) {
    let level = sheet.bottom;
    for (const name of STACK) {
      const tall = counts[name][column] * high;
      level -= tall;
      sheet.pen.fillStyle = sheet.color(name);
      if (tall > 0) sheet.pen.fillRect(column * wide, level, wide + 0.3, tall);
    }
  }
  drawLimit(sheet, most);
  sheet.pen.fillStyle = sheet.color("ink");
  sheet.pen.textAlign = "left";
  sheet.pen.fillText(`${Math.round(most)} jobs at the top`, 6, sheet.top + 12);
}

/** How many jobs were in a state, on average over the time of each column. */
function countsOf(name, inSight, columns) {
  const partly = new Float64Array(columns + 1);
  const change = new Float64Array(columns + 2);
  const place = (moment) =>
    Math.min(columns, Math.max(0, ((moment - view.from) / Math.max(1e-9, view.to - view.from)) * columns));
  for (const { spans } of inSight) {
    for (const span of spans) {
      if (span.color !== name) continue;
      const from = place(span.from), to = place(span.to);
      const first = Math.floor(from), last = Math.floor(to);
      if (first === last) {
        partly[first] += to - from;
        continue;
      }
      partly[first] += first + 1 - from;
      partly[last] += to - last;
      change[first + 1] += 1;
      change[last] -= 1;
    }
  }
  let whole = 0;
  return partly.map((part, column) => part + (whole += change[column]));
}

function drawTimes({ pen, color, width, bottom }) {
  pen.fillStyle = color("faint");
  const parts = width < 500 ? 2 : 4;
  for (let part = 0; part <= parts; part++) {
    pen.textAlign = part === 0 ? "left" : part === parts ? "right" : "center";
    const moment = view.from + ((view.to - view.from) * part) / parts;
    const margin = part === 0 ? 4 : part === parts ? -4 : 0;
    pen.fillText(`+${clock(moment - bounds.from)}`, (width * part) / parts + margin, bottom + 15);
  }
}

const mostLimit = () => limits.reduce((most, [, limit]) => Math.max(most, limit), 0);

function drawLimit({ pen, color, across, top, bottom, width }, most) {
  if (!limits.length) return;
  const up = (limit) => bottom - (limit / Math.max(1, most)) * (bottom - top);
  const points = [];
  limits.forEach(([moment, limit], place) => {
    const left = Math.min(width + 2, Math.max(-2, across(moment)));
    if (place) points.push([left, up(limits[place - 1][1])]);
    points.push([left, up(limit)]);
  });
  points.push([width + 2, up(limits.at(-1)[1])]);
  // A rim of the background's colour keeps it legible over bars of any colour.
  for (const [name, wide] of [["card", 4], ["limit", 1.5]]) {
    pen.strokeStyle = color(name);
    pen.lineWidth = wide;
    pen.beginPath();
    points.forEach(([x, y], place) => pen[place ? "lineTo" : "moveTo"](x, y));
    pen.stroke();
  }
  writeLimit({ pen, color, width }, up);
}

function writeLimit({ pen, color, width }, up) {
  const current = limits.findLast(([moment]) => moment <= view.to) ?? limits[0];
  const level = up(current[1]);
  const text = `limit ${current[1]}, at most ${mostLimit()}`;
  const baseline = level < 30 ? level + 16 : level - 6;
  pen.textAlign = "right";
  pen.fillStyle = color("card");
  pen.fillRect(width - 10 - pen.measureText(text).width, baseline - 11, pen.measureText(text).width + 8, 15);
  pen.fillStyle = color("limit");
  pen.fillText(text, width - 6, baseline);
}

function setView(from, to) {
  const whole = bounds.to - bounds.from;
  const long = Math.min(whole, Math.max(to - from, Math.min(0.1, whole)));
  const begin = Math.min(bounds.to - long, Math.max(bounds.from, from));
  view = { from: begin, to: begin + long };
  drawSoon();
}

function zoom(factor, part) {
  const moment = view.from + (view.to - view.from) * part;
  const long = (view.to - view.from) * factor;
  setView(moment - long * part, moment + long * (1 - part));
}

function move(part) {
  const by = (view.to - view.from) * part;
  setView(view.from + by, view.to + by);
}

const showAll = () => setView(bounds.from, bounds.to);

function clickTimeline(x, y) {
  const canvas = byId("timeline");
  if (!rowsInSight.length) {
    if (lines.length) zoom(0.25, x / canvas.clientWidth);
    return;
  }
  const part = (y - TOP) / (canvas.clientHeight - TOP - BELOW);
  const place = Math.min(rowsInSight.length - 1, Math.max(0, Math.floor(part * rowsInSight.length)));
  showJob(rowsInSight[place].number);
}

function listenToTimeline() {
  const canvas = byId("timeline");
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / canvas.clientWidth);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const actions = { "+": () => zoom(0.8, 0.5), "-": () => zoom(1.25, 0.5), ArrowLeft: () => move(-0.1),
      ArrowRight: () => move(0.1), 0: showAll };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
  byId("closer").onclick = () => zoom(0.5, 0.5);
  byId("farther").onclick = () => zoom(2, 0.5);
  byId("all").onclick = showAll;
  listenToDragging(canvas);
}

function listenToDragging(canvas) {
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
    if (dragged && dragged.far < 4) clickTimeline(event.offsetX, event.offsetY);
    dragged = null;
  });
  canvas.addEventListener("pointercancel", () => { dragged = null; });
}

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
listenToTimeline();
drawTimeline();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTimeline);

// The time line: what is seen of it, and how it is moved.

const timeline = document.getElementById('timeline'), overview = document.getElementById('overview');
const readout = document.getElementById('readout');
const picture = new Picture(timeline, AXIS + data.runs.length * (LANE + GAP) + WAVE + GAP + LEVELS);
const map = new Picture(overview, 44);
const LEAST_S = 0.2;  // that can be shown
const view = { start_s: 0, end_s: total_s };
let pointer_s = null, playhead_s = null, selected = -1, waiting = false;

function show(start_s, end_s) {
  const length = Math.min(total_s, Math.max(LEAST_S, end_s - start_s));
  const middle = (start_s + end_s) / 2;
  view.start_s = Math.max(0, Math.min(total_s - length, middle - length / 2));
  view.end_s = view.start_s + length;
  redraw();
}

function zoom(factor, at_s = (view.start_s + view.end_s) / 2) {
  const length = Math.min(total_s, Math.max(LEAST_S, (view.end_s - view.start_s) * factor));
  const share = (at_s - view.start_s) / (view.end_s - view.start_s);
  show(at_s - share * length, at_s + (1 - share) * length);
}

function move(by_s) {
  const length = view.end_s - view.start_s;
  const start = Math.max(0, Math.min(total_s - length, view.start_s + by_s));
  show(start, start + length);
}

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function draw() {
  picture.begin(view.start_s, view.end_s);
  const waveTop = AXIS + data.runs.length * (LANE + GAP), levelTop = waveTop + WAVE + GAP;
  picture.axis(picture.height);
  for (const row of data.rows) {
    if (row.differs && picture.sees(row.start_s, row.end_s)) {
      picture.band(row.start_s, row.end_s, AXIS, picture.height, picture.colour('different-band'), 2);
    }
  }
  data.runs.forEach((run, index) => picture.lane(run, index, AXIS + index * (LANE + GAP), LANE));
  picture.speech(waveTop, picture.height - waveTop);
  picture.waveform(waveTop, WAVE);
  picture.level(levelTop, LEVELS);
  picture.events(AXIS, picture.height - AXIS);
  if (selected >= 0) {
    const row = data.rows[selected], context = picture.context;
    context.strokeStyle = picture.colour('accent');
    context.lineWidth = 2;
    context.strokeRect(picture.x(row.start_s), AXIS - 1,
      Math.max(2, picture.x(row.end_s) - picture.x(row.start_s)), waveTop - AXIS - GAP + 2);
  }
  if (pointer_s !== null) picture.band(pointer_s, pointer_s, 0, picture.height, picture.colour('soft'));
  if (playhead_s !== null) picture.band(playhead_s, playhead_s, 0, picture.height, picture.colour('accent'), 2);
  drawOverview();
}

function drawOverview() {
  map.begin(0, total_s);
  map.waveform(0, map.height);
  data.runs.forEach((run, index) => {
    for (const each of run.utterances) map.band(each.start_s, each.end_s, 44 - 4 * (data.runs.length - index), 3, map.colour(`run${index}`));
  });
  for (const row of data.rows) if (row.differs) map.band(row.start_s, row.end_s, 0, 6, map.colour('different'), 2);
  map.events(0, map.height);
  map.context.globalAlpha = 0.7;
  map.band(0, view.start_s, 0, map.height, map.colour('page'), 0);
  map.band(view.end_s, total_s, 0, map.height, map.colour('page'), 0);
  map.context.globalAlpha = 1;
  map.context.strokeStyle = map.colour('accent');
  map.context.lineWidth = 2;
  map.context.strokeRect(map.x(view.start_s) + 1, 1,
    Math.max(2, map.x(view.end_s) - map.x(view.start_s) - 2), map.height - 2);
}

// --- what is under the pointer ---------------------------------------------------------------

function describe(time_s) {
  const i = Math.min(layers[0].n - 1, Math.max(0, Math.floor(time_s / layers[0].frame_s)));
  const parts = [clock(time_s, 2)];
  if (layers[0].level[i]) {
    const names = ['level', 'noise floor', 'onset', 'offset'];
    CURVES.forEach((name, k) => parts.push(`${names[k]} ${decibels(layers[0][name][i]).toFixed(1)} dB`.replace('-', '−')));
  }
  for (const each of data.events) {
    if (each.start_s <= time_s && time_s <= Math.max(each.end_s, each.start_s + 4 * picture.pixel_s)) parts.push(each.text);
  }
  for (const run of data.runs) {
    const heard = run.utterances.find((each) => each.start_s <= time_s && time_s < each.end_s);
    if (heard) parts.push(`${run.name}: ${heard.error || heard.text || 'no words'}`);
  }
  return parts.join('  ·  ');
}

// --- pointers: one drags, two pinch ------------------------------------------------------------

const pointers = new Map();
let dragged = 0;

timeline.addEventListener('pointerdown', (event) => {
  timeline.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event.offsetX);
  timeline.classList.add('dragging');
  dragged = 0;
});
timeline.addEventListener('pointermove', (event) => {
  pointer_s = picture.time(event.offsetX);
  readout.textContent = describe(pointer_s);
  const before = pointers.get(event.pointerId);
  if (before === undefined) return redraw();
  if (pointers.size === 1) move((before - event.offsetX) * picture.pixel_s);
  if (pointers.size === 2) {
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, x]) => x);
    const apart = Math.max(8, Math.abs(before - other));
    zoom(apart / Math.max(8, Math.abs(event.offsetX - other)), picture.time(other));
  }
  dragged += Math.abs(event.offsetX - before);
  pointers.set(event.pointerId, event.offsetX);
  return undefined;
});
for (const name of ['pointerup', 'pointercancel']) {
  timeline.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    timeline.classList.remove('dragging');
    if (name === 'pointerup' && dragged < 4) {
      const time_s = picture.time(event.offsetX);
      const row = data.rows.findIndex((each) => each.start_s <= time_s && time_s < each.end_s);
      if (row >= 0) select(row);
    }
  });
}
timeline.addEventListener('pointerleave', () => { pointer_s = null; redraw(); });
timeline.addEventListener('wheel', (event) => {
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), picture.time(event.offsetX));
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    move((event.deltaX || event.deltaY) * picture.pixel_s);
  } else return;  // the page scrolls
  event.preventDefault();
}, { passive: false });

function look(event) {
  const time_s = map.time(event.offsetX), length = view.end_s - view.start_s;
  show(time_s - length / 2, time_s + length / 2);
}
overview.addEventListener('pointerdown', (event) => { overview.setPointerCapture(event.pointerId); look(event); });
overview.addEventListener('pointermove', (event) => { if (event.buttons) look(event); });

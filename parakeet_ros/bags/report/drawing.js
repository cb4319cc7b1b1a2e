'use strict';
// What is drawn: the track in several resolutions, and functions that draw a stretch of it.

const data = JSON.parse(document.getElementById('data').textContent);
const CURVES = ['level', 'floor', 'onset', 'offset'];
const DASHES = { level: [], floor: [], onset: [6, 3], offset: [2, 3] };
const GAP = 6, AXIS = 24, LANE = 34, WAVE = 92, LEVELS = 128;  // heights in CSS pixels

function bytes(base64) {
  const text = atob(base64), array = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
  return array;
}

// Each layer has frames twice as long as the one before, so that a pixel never looks at many.
const layers = (() => {
  const first = { frame_s: data.track.frame_s, n: data.track.n_frames };
  for (const name of ['speech', ...CURVES]) first[name] = bytes(data.track[name]);
  for (const name of ['low', 'high']) first[name] = new Int8Array(bytes(data.track[name]).buffer);
  const all = [first];
  while (all[all.length - 1].n > 1000) all.push(halved(all[all.length - 1]));
  return all;
})();

function halved(layer) {
  const n = Math.ceil(layer.n / 2), half = { frame_s: 2 * layer.frame_s, n };
  for (const name of ['low', 'high', 'speech', ...CURVES]) {
    const from = layer[name], to = new from.constructor(n);
    const choose = name === 'low' ? Math.min : Math.max;
    for (let i = 0; i < n; i++) to[i] = choose(from[2 * i], from[Math.min(2 * i + 1, layer.n - 1)]);
    half[name] = to;
  }
  return half;
}

const loudest = Math.max(16, ...layers[layers.length - 1].high, ...layers[layers.length - 1].low.map((v) => -v));
const total_s = Math.max(layers[0].n * layers[0].frame_s, 0.1);
const lowest_db = (() => {  // of the level's axis
  const last = layers[layers.length - 1];
  let code = 255;
  for (const each of last.floor) if (each) code = Math.min(code, each);
  return Math.floor((Math.min(decibels(code), -60) - 6) / 10) * 10;
})();

function decibels(code) { return data.track.lowest_db + code / data.track.steps_per_db; }

function layerFor(pixel_s) {
  let layer = layers[0];
  for (const each of layers) if (each.frame_s <= pixel_s) layer = each;
  return layer;
}

// The frames of a layer that a column of pixels shows: [first, one past the last).
function framesOf(layer, begin_s, end_s) {
  const first = Math.floor(begin_s / layer.frame_s);
  return [Math.max(0, first), Math.min(layer.n, Math.max(first + 1, Math.ceil(end_s / layer.frame_s)))];
}

function clock(position_s, digits = 1) {
  let [line_s, audio_s] = data.stretches[0];
  for (const [line, audio] of data.stretches) if (line <= position_s) [line_s, audio_s] = [line, audio];
  const seconds = position_s - line_s + audio_s, sign = seconds < 0 ? '-' : '';
  const units = Math.round(Math.abs(seconds) * 10 ** digits);
  const rest = (units / 10 ** digits) % 60, minutes = Math.floor(units / 10 ** digits / 60);
  const tail = rest.toFixed(digits).padStart(digits ? 3 + digits : 2, '0');
  return minutes < 60 ? `${sign}${minutes}:${tail}`
    : `${sign}${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${tail}`;
}

// --- one stretch of time on one canvas ---------------------------------------------------

class Picture {
  constructor(canvas, height) {
    this.canvas = canvas;
    this.height = height;
    this.context = canvas.getContext('2d');
  }

  begin(start_s, end_s) {
    const scale = window.devicePixelRatio || 1;
    this.width = Math.max(1, this.canvas.clientWidth);
    this.canvas.style.height = `${this.height}px`;
    if (this.canvas.width !== Math.round(this.width * scale)) this.canvas.width = Math.round(this.width * scale);
    if (this.canvas.height !== Math.round(this.height * scale)) this.canvas.height = Math.round(this.height * scale);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.style = getComputedStyle(document.documentElement);
    this.start_s = start_s;
    this.pixel_s = (end_s - start_s) / this.width;
    this.context.fillStyle = this.colour('page');
    this.context.fillRect(0, 0, this.width, this.height);
  }

  colour(name) { return this.style.getPropertyValue(`--${name}`).trim(); }

  x(time_s) { return (time_s - this.start_s) / this.pixel_s; }

  time(x) { return this.start_s + x * this.pixel_s; }

  sees(start_s, end_s) { return this.x(end_s) >= 0 && this.x(start_s) <= this.width; }

  band(start_s, end_s, top, height, colour, least = 1) {
    const left = this.x(start_s);
    this.context.fillStyle = colour;
    this.context.fillRect(left, top, Math.max(least, this.x(end_s) - left), height);
  }

  text(text, x, y, colour, align = 'left') {
    this.context.font = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
    this.context.fillStyle = colour;
    this.context.textAlign = align;
    this.context.textBaseline = 'middle';
    this.context.fillText(text, x, y);
  }

  waveform(top, height) {
    const layer = layerFor(this.pixel_s), middle = top + height / 2, size = height / 2 / loudest;
    this.context.fillStyle = this.colour('wave');
    for (let x = 0; x < this.width; x++) {
      const [first, last] = framesOf(layer, this.time(x), this.time(x + 1));
      let low = 127, high = -127, heard = false;
      for (let i = first; i < last; i++) {
        if (!layer.level[i]) continue;
        heard = true;
        low = Math.min(low, layer.low[i]);
        high = Math.max(high, layer.high[i]);
      }
      if (heard) this.context.fillRect(x, middle - high * size, 1, Math.max(1, (high - low) * size));
    }
  }

  speech(top, height) {
    const layer = layerFor(this.pixel_s);
    this.context.fillStyle = this.colour('speech');
    let begin = null;
    for (let x = 0; x <= this.width; x++) {
      const [first, last] = framesOf(layer, this.time(x), this.time(x + 1));
      let on = false;
      for (let i = first; i < last && x < this.width; i++) on = on || layer.speech[i] > 0;
      if (on && begin === null) begin = x;
      if (!on && begin !== null) {
        this.context.fillRect(begin, top, x - begin, height);
        begin = null;
      }
    }
  }

  level(top, height) {
    const y = (db) => top + height * Math.max(0, Math.min(1, db / lowest_db));
    this.context.lineWidth = 1;
    for (let db = -20; db > lowest_db; db -= 20) {
      this.context.fillStyle = this.colour('edge');
      this.context.fillRect(0, Math.round(y(db)), this.width, 1);
    }
    const layer = layerFor(this.pixel_s);
    for (const name of CURVES) {
      this.context.strokeStyle = this.colour(name);
      this.context.lineWidth = name === 'level' ? 1 : 1.6;
      this.context.setLineDash(DASHES[name]);
      this.context.beginPath();
      let drawing = false;
      for (let x = 0; x < this.width; x++) {
        const [first, last] = framesOf(layer, this.time(x), this.time(x + 1));
        let code = 0;
        for (let i = first; i < last; i++) code = Math.max(code, layer[name][i]);
        if (!code) drawing = false;
        else if (drawing) this.context.lineTo(x + 0.5, y(decibels(code)));
        else { this.context.moveTo(x + 0.5, y(decibels(code))); drawing = true; }
      }
      this.context.stroke();
      this.context.setLineDash([]);
    }
    for (let db = -20; db > lowest_db; db -= 20) this.label(`${db} dB`.replace('-', '−'), this.width, y(db) - 8);
  }

  // A text that ends at `right`, on a ground that lets it be read over anything.
  label(text, right, y) {
    const width = this.context.measureText(text).width;
    this.context.globalAlpha = 0.75;
    this.context.fillStyle = this.colour('page');
    this.context.fillRect(right - width - 8, y - 7, width + 8, 14);
    this.context.globalAlpha = 1;
    this.text(text, right - 4, y, this.colour('soft'), 'right');
  }

  axis(height) {
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];
    const step = steps.find((each) => each / this.pixel_s >= 74) || 14400;
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    for (let k = Math.ceil(this.start_s / step); k * step <= this.time(this.width); k++) {
      const x = this.x(k * step);
      this.context.fillStyle = this.colour('edge');
      this.context.fillRect(Math.round(x), 0, 1, height);
      if (x < this.width - 44) this.text(clock(k * step, digits), x + 4, AXIS / 2, this.colour('soft'));
    }
  }

  // The utterances of a run, with their words where there is room.
  lane(run, index, top, height) {
    const context = this.context;
    for (const each of run.utterances) {
      if (!this.sees(each.start_s, each.end_s)) continue;
      const left = this.x(each.start_s), width = Math.max(2, this.x(each.end_s) - left);
      context.globalAlpha = 0.16;
      this.band(each.start_s, each.end_s, top, height, this.colour(`run${index}`), 2);
      context.globalAlpha = each.error ? 0.1 : 0.3;
      this.band(each.speech[0], each.speech[1], top, height, this.colour(`run${index}`), 2);
      context.globalAlpha = 1;
      if (width > 8) this.band(each.start_s, each.start_s, top, height, this.colour(`run${index}`), 2);
      context.save();
      context.beginPath();
      context.rect(Math.max(0, left), top, width + Math.min(0, left), height);
      context.clip();
      this.words(each, index, left, width, top, height);
      context.restore();
    }
    context.globalAlpha = 0.85;
    const label = context.measureText(run.name).width;
    context.fillStyle = this.colour('page');
    context.fillRect(2, top + 2, label + 8, 14);
    context.globalAlpha = 1;
    this.text(run.name, 6, top + 9, this.colour(`run${index}`));
  }

  words(each, index, left, width, top, height) {
    const y = top + height - 9, ink = this.colour('ink');
    if (each.error) return this.text('failed', left + 5, y, this.colour('warn'));
    const wanted = this.context.measureText(each.text).width;
    if (!each.words.length || width < wanted * 1.25) {
      if (width > 30) this.text(each.text, Math.max(left, 0) + 5, y, ink);
      return undefined;
    }
    let free = -Infinity;  // a word never begins in the one before
    for (const [text, start_s, , confidence] of each.words) {
      const x = Math.max(this.x(start_s), left + 3);
      this.band(start_s, start_s, y - 9, 18, this.colour(`run${index}`), 1);
      this.text(text, Math.max(x + 4, free), y, confidence < 0.5 ? this.colour('offset') : ink);
      free = Math.max(x + 4, free) + this.context.measureText(text).width + 5;
    }
    return undefined;
  }

  // What is missing, dropped or out of order, over everything.
  events(top, height) {
    for (const each of data.events) {
      if (!this.sees(each.start_s, each.end_s)) continue;
      const x = this.x(each.start_s);
      if (each.kind === 'drop') {
        this.context.fillStyle = this.colour('gap-line');
        this.context.beginPath();
        this.context.moveTo(x - 6, top);
        this.context.lineTo(x + 6, top);
        this.context.lineTo(x, top + 9);
        this.context.fill();
        continue;
      }
      this.band(each.start_s, each.end_s, top, height, this.colour('gap'), 2);
      this.band(each.start_s, each.start_s, top, height, this.colour('gap-line'), 1);
    }
  }
}

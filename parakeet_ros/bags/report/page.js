// The table of utterances, the player, keys and buttons.

const rows = [...document.querySelectorAll('#rows tr')];
const player = document.getElementById('player');
const sound = JSON.parse(document.getElementById('audio').textContent);
let playing = -1;

document.body.classList.toggle('one-run', !data.compares);
document.querySelector('.utterances').classList.toggle('many', data.runs.length > 1);

function select(index, scroll = true) {
  if (index < 0 || index >= rows.length) return;
  if (selected >= 0) rows[selected].classList.remove('selected');
  selected = index;
  rows[index].classList.add('selected');
  if (scroll) rows[index].scrollIntoView({ block: 'nearest' });
  redraw();
}

function visit(index) {
  if (index < 0 || index >= rows.length) return;
  const { start_s, end_s } = data.rows[index], margin = Math.max(1, (end_s - start_s) / 2);
  select(index, false);
  show(start_s - margin, end_s + margin);
  readout.textContent = describe((start_s + end_s) / 2);
}

function step(by) {
  let index = selected;
  if (index < 0 && by < 0) index = rows.length;
  do index += by; while (index >= 0 && index < rows.length && rows[index].hidden);
  visit(index);
}

// --- the player --------------------------------------------------------------------------------

function play(index) {
  if (index === playing) {
    player.pause();
    return;
  }
  stop();
  if (!sound.clips[index]) return;
  const type = sound.mime, url = URL.createObjectURL(new Blob([bytes(sound.clips[index])], { type }));
  player.src = url;
  playing = index;
  mark(true);
  select(index, false);
  // the promise of a clip that another has replaced is broken later, and is not the other's end
  player.play().then(() => follow(url), () => { if (player.src === url) stop(); });
}

function stop() {
  if (playing < 0) return;
  mark(false);
  playing = -1;
  playhead_s = null;
  URL.revokeObjectURL(player.src);
  redraw();
}

function mark(on) {
  const button = rows[playing].querySelector('[data-play]');
  button.classList.toggle('playing', on);
  button.setAttribute('aria-pressed', on);
}

function follow(url) {
  if (playing < 0 || player.src !== url) return;
  playhead_s = data.rows[playing].start_s + player.currentTime;
  draw();
  requestAnimationFrame(() => follow(url));
}
player.addEventListener('pause', stop);
player.addEventListener('ended', stop);

// --- buttons, filters and keys -----------------------------------------------------------------

rows.forEach((row, index) => {
  const button = row.querySelector('[data-play]');
  button.disabled = !sound.clips[index];
  if (button.disabled) button.title = 'This file does not hold its sound';
});
document.getElementById('rows').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button && button.dataset.play) play(Number(button.dataset.play));
  if (button && button.dataset.show) {
    visit(Number(button.dataset.show));
    timeline.scrollIntoView({ block: 'nearest' });
    timeline.focus({ preventScroll: true });
  }
});

const search = document.getElementById('search'), onlyDifferent = document.getElementById('only-different');
function filter() {
  const wanted = search.value.trim().toLowerCase();
  let found = 0;
  rows.forEach((row, index) => {
    const words = [...row.querySelectorAll('.text')].map((cell) => cell.textContent.toLowerCase());
    row.hidden = (onlyDifferent.checked && !data.rows[index].differs)
      || (wanted !== '' && !words.some((text) => text.includes(wanted)));
    found += !row.hidden;
  });
  document.getElementById('none-found').hidden = found > 0 || !rows.length;
}
search.addEventListener('input', filter);
onlyDifferent.addEventListener('change', filter);

const actions = {
  'zoom-in': () => zoom(0.5), 'zoom-out': () => zoom(2), fit: () => show(0, total_s),
  previous: () => step(-1), next: () => step(1),
};
for (const [id, action] of Object.entries(actions)) document.getElementById(id).addEventListener('click', action);

const keys = {
  ArrowLeft: () => move(-(view.end_s - view.start_s) / 8), ArrowRight: () => move((view.end_s - view.start_s) / 8),
  Home: () => move(-total_s), End: () => move(total_s), '+': actions['zoom-in'], '=': actions['zoom-in'],
  '-': actions['zoom-out'], 0: actions.fit, n: actions.next, p: actions.previous,
  ' ': () => { if (selected >= 0) play(selected); },
};
timeline.addEventListener('keydown', (event) => {
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});

new ResizeObserver(redraw).observe(timeline);
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
draw();

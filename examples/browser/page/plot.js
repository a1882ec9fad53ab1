// Charts as SVG: axes with ticks and titles, curves, marks and a legend. Colours and strokes are classes of the style sheet, and no two
// curves or marks differ by their colour alone.

const SVG = 'http://www.w3.org/2000/svg';
// Curves beyond so many have the colours of the first, and other strokes.
const SERIES = 6;
const stroke = (k) => `curve colour-${k % SERIES} stroke-${(k + Math.floor(k / SERIES)) % SERIES}`;
// Around the plane, in CSS pixels: left, right, above, below.
const LEFT = 62;
const RIGHT = 14;
const ABOVE = 10;
const BELOW = 30;
// Of a line of a title, and of a letter, a little wide.
const LINE = 16;
const LETTER = 6.9;

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A number in few digits.
export function short(v, digits = 4) {
  if (!Number.isFinite(v)) return String(v).replace('-', '−');
  const size = Math.abs(v);
  const far = size !== 0 && (size >= 1e6 || size < 1e-4);
  const text = far ? v.toExponential(digits - 1).replace(/\.?0+e/, 'e') : String(Number(v.toPrecision(digits)));
  return text.replace('-', '−');
}

// A text in lines of so many letters.
function lines(text, most) {
  const all = [''];
  for (const word of text.split(' ')) {
    const last = all.at(-1);
    if (last && last.length + 1 + word.length > most) all.push(word);
    else all[all.length - 1] = last ? `${last} ${word}` : word;
  }
  return all;
}

// Round numbers between two ends, about so many of them.
function ticks(low, high, many) {
  const rough = (high - low) / many;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((s) => s >= rough * (1 - 1e-9));
  const all = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) all.push(k * step);
  return all;
}

// What an axis has to show: 0 and all numbers, but of a few that run far away from the others only a part.
function extent(curves) {
  const all = curves.flatMap(({ y }) => Array.from(y).filter(Number.isFinite)).sort((a, b) => a - b);
  if (!all.length) return [0, 1];
  const at = (part) => all[Math.round(part * (all.length - 1))];
  const usual = at(0.97) - at(0.03);
  let low = Math.min(0, Math.max(at(0), at(0.03) - usual));
  let high = Math.max(0, Math.min(at(1), at(0.97) + usual));
  if (high === low) high = low + 1;
  const air = 0.05 * (high - low);
  if (low < 0) low -= air;
  if (high > 0) high += air;
  return [low, high];
}

const MARKS = [
  (x, y) => `M${x - 6} ${y}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z`,
  (x, y) => `M${x - 5.5} ${y - 5.5}h11v11h-11z`,
  (x, y) => `M${x} ${y - 7}l7 12h-14z`,
];

const mark = (k, x, y) => shape('path', { class: `mark colour-${(k + 1) % SERIES}`, d: MARKS[k % MARKS.length](x, y) });

function path(curve, x, y) {
  let text = '';
  let pen = 'M';
  let last = '';
  for (let i = 0; i < curve.x.length; i++) {
    if (!Number.isFinite(curve.x[i]) || !Number.isFinite(curve.y[i])) {
      pen = 'M';
      continue;
    }
    // Within a tenth of a pixel nobody sees a difference, and a curve may have millions of points. Far outside is far enough.
    const up = Math.max(-1e4, Math.min(1e4, y(curve.y[i])));
    const at = `${Math.round(10 * x(curve.x[i])) / 10} ${Math.round(10 * up) / 10}`;
    if (at !== last || pen === 'M') text += pen + at;
    pen = 'L';
    last = at;
  }
  return text;
}

// A figure that draws what it is told to show: { title, across, up, x: [from, to], y, curves: [{ label, x, y }], marks, chance, height }.
// y is found out where it is missing; x and y of a curve are lists of numbers, and of a mark they have one.
export class Chart {
  element = document.createElement('figure');
  #told;

  constructor() {
    this.element.className = 'chart';
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (Math.round(contentRect.width) === width) return;
      width = Math.round(contentRect.width);
      if (this.#told && width) this.#draw();
    }).observe(this.element);
  }

  show(told) {
    this.#told = told;
    this.#draw();
  }

  #draw() {
    const { title, across, up, curves, marks = [], chance, square } = this.#told;
    const width = Math.max(240, Math.round(this.element.clientWidth) || 560);
    const inner = width - LEFT - RIGHT;
    const titles = lines(across, (width - 12) / LETTER);
    const below = BELOW + LINE * titles.length;
    const height = ABOVE + below + (square ? Math.min(inner, 420) : Math.max(160, Math.min(260, inner * 0.6)));
    const [left, right] = this.#told.x;
    const [low, high] = this.#told.y ?? extent(curves);
    const x = (v) => ((v - left) / (right - left)) * inner;
    const tall = height - ABOVE - below;
    const y = (v) => tall - ((v - low) / (high - low)) * tall;

    // A plane of its own cuts off what is outside of it, but for half of a line on its edge.
    const viewBox = `-1 -1 ${inner + 2} ${tall + 2}`;
    const plane = shape('svg', { x: LEFT - 1, y: ABOVE - 1, width: inner + 2, height: tall + 2, viewBox });
    const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': this.#words() });
    const label = (text, at) => shape('text', at, text);
    for (const tick of ticks(left, right, inner / 80)) {
      svg.append(shape('path', { class: 'grid', d: `M${LEFT + x(tick)} ${ABOVE}v${tall}` }));
      svg.append(label(short(tick), { x: LEFT + x(tick), y: ABOVE + tall + 16, 'text-anchor': 'middle' }));
    }
    for (const tick of ticks(low, high, tall / 40)) {
      const zero = tick === 0 ? 'grid zero' : 'grid';
      svg.append(shape('path', { class: zero, d: `M${LEFT} ${ABOVE + y(tick)}h${inner}` }));
      svg.append(label(short(tick), { x: LEFT - 6, y: ABOVE + y(tick) + 4, 'text-anchor': 'end' }));
    }
    svg.append(shape('rect', { class: 'frame', x: LEFT, y: ABOVE, width: inner, height: tall }));
    titles.forEach((text, k) => {
      // Below the plane, or where it is too wide for that, below everything.
      const half = Math.min(LEFT + inner / 2, width - 6 - (LETTER * text.length) / 2);
      const y = height - 6 - LINE * (titles.length - 1 - k);
      svg.append(label(text, { class: 'title', x: Math.max(half, width / 2), y, 'text-anchor': 'middle' }));
    });
    const turned = `translate(13 ${ABOVE + tall / 2}) rotate(-90)`;
    svg.append(label(up, { class: 'title', transform: turned, 'text-anchor': 'middle' }));
    if (chance) plane.append(shape('path', { class: 'chance', d: path(chance, x, y) }));
    curves.forEach((curve, k) => plane.append(shape('path', { class: stroke(k), d: path(curve, x, y) })));
    svg.append(plane);
    // Marks lie on the frame too.
    marks.forEach((m, k) => svg.append(mark(k, LEFT + x(m.x[0]), ABOVE + y(m.y[0]))));

    const caption = document.createElement('figcaption');
    caption.textContent = title;
    const legend = document.createElement('ul');
    legend.className = 'legend';
    const entry = (sign, text) => {
      const item = document.createElement('li');
      item.append(shape('svg', { width: 26, height: 14, 'aria-hidden': 'true' }, sign), text);
      legend.append(item);
    };
    curves.forEach(({ label }, k) => label && entry(shape('path', { class: stroke(k), d: 'M0 7h26' }), label));
    marks.forEach(({ label }, k) => entry(mark(k, 13, 7), label));
    this.element.replaceChildren(caption, legend, svg);
  }

  // The chart for those who do not see it.
  #words() {
    const { title, across, up, curves } = this.#told;
    const names = curves.map((c) => c.label).filter(Boolean);
    return `${title}: ${up} over ${across}${names.length ? `; ${names.join(', ')}` : ''}`;
  }
}

'use strict';
// Draws what <script id="data"> holds, train/report/run_page.h's document. Every text goes through textContent: what
// stands in a class name or a file name stays text.

const kSvg = 'http://www.w3.org/2000/svg';
const kWidth = 560, kHeight = 260, kLeft = 52, kRight = 10, kTop = 8, kBottom = 24;

function element(tag, properties = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    name in node ? node[name] = value : node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawn(tag, attributes, text) {
  const node = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function short(value) {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

// Neighbours in the list are far apart on the wheel; lightness is the theme's.
function colour(index) { return `hsl(${(211 + index * 137.508) % 360} 68% var(--lightness))`; }

// Round numbers that cut [low, high] into about `count` parts. None where doubles are too coarse to tell them apart:
// next to 1e300 a number and its successor are one.
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9), places = [];
  if (!(step > 0) || !Number.isSafeInteger(first)) return places;
  for (let n = first; n * step <= high + step * 1e-9 && places.length <= 2 * count; n++) places.push(n * step);
  return places;
}

// The index of the x nearest to `at`; x ascends.
function nearest(x, at) {
  let low = 0, high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    x[middle] < at ? low = middle : high = middle;
  }
  return Math.abs(x[low] - at) <= Math.abs(x[high] - at) ? low : high;
}

class Chart {
  constructor(chart) {
    this.chart = chart;
    this.curves = chart.series.map((series, i) => ({...series, colour: colour(series.colour ?? i), shown: true}));
    const all = this.curves.flatMap(curve => [curve.x[0], curve.x[curve.x.length - 1]]);
    this.whole = [Math.min(...all), Math.max(...all)];
    if (this.whole[0] === this.whole[1]) this.whole = [this.whole[0] - 0.5, this.whole[1] + 0.5];
    this.range = this.whole;
    this.svg = drawn('svg', {viewBox: `0 0 ${kWidth} ${kHeight}`, role: 'img', 'aria-label': chart.title});
    this.readout = element('span', {className: 'readout'});
    this.legend = element('div', {className: 'legend'});
    this.node = element('div', {className: 'chart'}, [
      element('h3', {}, [element('span', {textContent: chart.title}), this.readout]), this.svg, this.legend]);
    for (const curve of this.curves) this.addToLegend(curve);
    this.listen();
    this.draw();
  }

  addToLegend(curve) {
    const line = element('i');
    line.style.background = curve.colour;
    curve.value = element('b');
    const button = element('button', {type: 'button', title: 'hide or show'},
                           [line, document.createTextNode(curve.name), curve.value]);
    button.setAttribute('aria-pressed', 'true');
    button.addEventListener('click', () => {
      curve.shown = !curve.shown;
      button.setAttribute('aria-pressed', String(curve.shown));
      this.draw();
    });
    this.legend.append(button);
  }

  visible() { return this.curves.filter(curve => curve.shown); }

  // [low, high] of the values within the shown range, with a margin.
  heights() {
    let low = Infinity, high = -Infinity;
    for (const curve of this.visible())
      for (let i = 0; i < curve.x.length; i++) {
        const inside = curve.x[i] >= this.range[0] && curve.x[i] <= this.range[1];
        if (!inside || curve.y[i] === null) continue;
        low = Math.min(low, curve.y[i]);
        high = Math.max(high, curve.y[i]);
      }
    if (low > high) return [0, 1];
    if (low === 0 && high === 0) return [0, 1];
    const margin = high === low ? Math.abs(high) * 0.05 : (high - low) * 0.05;
    return [low - margin, high + margin];
  }

  toX(x) { return kLeft + (x - this.range[0]) / (this.range[1] - this.range[0]) * (kWidth - kLeft - kRight); }
  toY(y) { return kHeight - kBottom - (y - this.high[0]) / (this.high[1] - this.high[0]) * (kHeight - kTop - kBottom); }
  fromX(pixel) { return this.range[0] + (pixel - kLeft) / (kWidth - kLeft - kRight) * (this.range[1] - this.range[0]); }

  draw() {
    this.high = this.heights();
    const clip = `clip${Chart.clips++}`;
    const box = {x: kLeft, y: kTop - 2, width: kWidth - kLeft - kRight, height: kHeight - kTop - kBottom + 4};
    const parts = [drawn('clipPath', {id: clip})];
    parts[0].append(drawn('rect', box));
    for (const y of ticks(...this.high, 5)) {
      parts.push(drawn('line', {class: 'grid', x1: kLeft, x2: kWidth - kRight, y1: this.toY(y), y2: this.toY(y)}));
      parts.push(drawn('text', {x: kLeft - 6, y: this.toY(y) + 4, 'text-anchor': 'end'}, short(y)));
    }
    const nameEnds = 2 + 7 * this.chart.x.length;  // a digit may begin behind it
    for (const x of ticks(...this.range, 7).filter(x => this.toX(x) > nameEnds + 4 * short(x).length))
      parts.push(drawn('text', {x: this.toX(x), y: kHeight - 7, 'text-anchor': 'middle'}, short(x)));
    parts.push(drawn('text', {x: 2, y: kHeight - 7}, this.chart.x));
    const lines = drawn('g', {'clip-path': `url(#${clip})`});
    for (const curve of this.visible()) lines.append(...this.drawCurve(curve));
    this.cursor = drawn('line', {class: 'cursor', y1: kTop, y2: kHeight - kBottom, visibility: 'hidden'});
    this.selection = drawn('rect', {class: 'selection', y: kTop, height: box.height, visibility: 'hidden'});
    this.svg.replaceChildren(...parts, lines, this.selection, this.cursor);
  }

  // A line; a curve of one point is a dot.
  drawCurve(curve) {
    const points = [];
    curve.x.forEach((x, i) => { if (curve.y[i] !== null) points.push([this.toX(x), this.toY(curve.y[i])]); });
    const path = points.map(([x, y], i) => `${i ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
    const line = drawn('path', {class: 'curve', d: path, 'data-name': curve.name, stroke: curve.colour});
    if (curve.faint) line.setAttribute('stroke-dasharray', '5 3');
    if (points.length !== 1) return [line];
    return [line, drawn('circle', {cx: points[0][0], cy: points[0][1], r: 3, fill: curve.colour})];
  }

  // In the SVG's own units, inside the axes.
  pixel(event) {
    const box = this.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * kWidth;
    return Math.min(Math.max(x, kLeft), kWidth - kRight);
  }

  listen() {
    let begin = null;
    this.svg.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      begin = this.pixel(event);
      this.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener('pointermove', event => {
      const at = this.pixel(event);
      this.show(this.fromX(at));
      if (begin === null) return;
      const [x, end] = [Math.min(begin, at), Math.max(begin, at)];
      for (const [name, value] of Object.entries({x, width: end - x, visibility: 'visible'}))
        this.selection.setAttribute(name, value);
    });
    this.svg.addEventListener('pointerup', event => {
      if (begin === null) return;
      const ends = [begin, this.pixel(event)].sort((a, b) => a - b);
      begin = null;
      if (ends[1] - ends[0] > 8) this.zoom(ends.map(end => this.fromX(end)));
    });
    this.svg.addEventListener('pointercancel', () => { begin = null; this.draw(); });
    this.svg.addEventListener('pointerleave', () => this.hide());
    this.svg.addEventListener('dblclick', () => this.zoom(this.whole));
  }

  zoom(range) {
    this.range = range;
    this.node.dataset.zoomed = String(range !== this.whole);
    this.draw();
  }

  show(at) {
    const places = this.visible().map(curve => curve.x[nearest(curve.x, at)]);
    if (places.length === 0) return;
    const place = places.reduce((best, x) => Math.abs(x - at) < Math.abs(best - at) ? x : best);
    this.readout.textContent = `${this.chart.x} ${short(place)}`;
    for (const name of ['x1', 'x2']) this.cursor.setAttribute(name, this.toX(place));
    this.cursor.setAttribute('visibility', 'visible');
    for (const curve of this.curves) {
      const i = nearest(curve.x, place);
      curve.value.textContent = curve.x[i] === place ? short(curve.y[i]) : '';
    }
  }

  hide() {
    this.cursor.setAttribute('visibility', 'hidden');
    this.readout.textContent = '';
    for (const curve of this.curves) curve.value.textContent = '';
  }
}
Chart.clips = 0;

// Of a table of texts the cells wrap that say more than this, and no others: the others would be cut inside their words.
const kLongText = 24;

function wrapped(text) {
  return text.length > kLongText ? {className: 'long', textContent: text} : {textContent: text};
}

function table(section) {
  const head = element('tr', {}, section.columns.map(name => element('th', {...wrapped(name), scope: 'col'})));
  const rows = section.rows.map((row, i) => element('tr', {className: section.changed?.[i] ? 'changed' : ''},
    row.map(cell => element('td', cell === null || cell === '' ? {className: 'none', textContent: '–'} : wrapped(short(cell))))));
  const grid = element('table', {className: section.text ? 'text' : ''}, [element('thead', {}, [head]), element('tbody', {}, rows)]);
  return element('div', {className: 'scroll'}, [grid]);
}

// Rows are what was detected, columns what is there; a cell is as dark as its share of the column.
function matrix(section) {
  const count = section.names.length;
  const sums = section.counts[0].map((_, c) => section.counts.reduce((sum, row) => sum + row[c], 0));
  const head = element('tr', {}, ['detected \\ true', ...section.names, 'false alarm'].map(name => element('th', {textContent: name})));
  const rows = section.counts.map((row, r) => element('tr', {}, [
    element('th', {textContent: r < count ? section.names[r] : 'missed', scope: 'row'}),
    ...row.map((value, c) => {
      if (r === count && c === count) return element('td');
      const cell = element('td', {textContent: String(value)}), share = sums[c] ? value / sums[c] : 0;
      cell.title = `${(100 * share).toFixed(1)} % of the column`;
      cell.style.background = `color-mix(in srgb, var(${r === c ? '--mark' : '--bad'}) ${Math.round(60 * share)}%, transparent)`;
      return cell;
    })]));
  return element('div', {className: 'scroll'}, [element('table', {className: 'matrix'}, [head, ...rows])]);
}

function pictures(section) {
  return element('div', {className: 'pictures'}, section.pictures.map(picture => element('figure', {}, [
    element('img', {src: picture.src, alt: picture.name, loading: 'lazy'}),
    element('figcaption', {}, [element('b', {textContent: picture.name}), element('br'), picture.note])])));
}

function list(section) {
  return element('ol', {className: 'events'}, section.lines.map(line => element('li', {textContent: line})));
}

function files(section) {
  return element('p', {}, section.names.flatMap(name => [element('a', {href: './' + encodeURIComponent(name), textContent: name}), '  ']));
}

function tiles(section) {
  return element('div', {className: 'tiles'}, section.tiles.map(([name, value]) =>
    element('div', {className: 'tile'}, [element('span', {textContent: name}), element('b', {textContent: short(value)})])));
}

function charts(section) {
  return element('div', {className: 'charts'}, section.charts.map(chart => new Chart(chart).node));
}

const kDrawn = {tiles, charts, table, matrix, pictures, list, files};

function draw(section) {
  const body = [kDrawn[section.kind](section)];
  if (section.note) body.unshift(element('p', {className: 'note', textContent: section.note}));
  if (section.folded) return element('details', {id: section.id}, [element('summary', {textContent: section.title}), ...body]);
  if (section.title) body.unshift(element('h2', {textContent: section.title}));
  return element('section', {id: section.id}, body);
}

const page = JSON.parse(document.getElementById('data').textContent);
document.title = page.title;
document.getElementById('title').textContent = page.title;
document.getElementById('subtitle').textContent = page.subtitle;
document.getElementById('page').replaceChildren(...page.sections.map(draw));

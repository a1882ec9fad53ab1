// The part Evaluate: files of scores and labels, which go no further than into the worker.

import { Chart } from './plot.js';

// What is called so are labels, whichever way it came.
const LABELS = /label|target|truth|(^|[^a-z])y([^a-z]|$)|true/i;

export class Evaluate {
  #engine;
  #device;
  #section;
  #form;
  #status;
  #results;
  #latest = 0;
  #text;

  constructor(section, engine, device) {
    this.#engine = engine;
    this.#device = device;
    this.#section = section;
    this.#form = section.querySelector('form');
    this.#status = section.querySelector('[role=status]');
    this.#results = section.querySelector('.results');
    const form = this.#form;
    form.onsubmit = (e) => e.preventDefault();
    form.oninput = () => this.#run();
    form.swap.onclick = () => {
      [form.scores.files, form.labels.files] = [form.labels.files, form.scores.files];
      this.#run();
    };
    form.copy.onclick = () => navigator.clipboard.writeText(this.#text);
    // Anywhere in the part: a file that misses would replace the page.
    section.ondragover = (e) => {
      e.preventDefault();
      section.classList.add('over');
    };
    section.ondragleave = () => section.classList.remove('over');
    section.ondrop = (e) => {
      e.preventDefault();
      section.classList.remove('over');
      this.#take([...e.dataTransfer.files]);
    };
  }

  told() {}

  // Files that were dropped: labels are known by their name, or else are what is missing.
  #take(files) {
    const form = this.#form;
    const put = (input, file) => {
      const held = new DataTransfer();
      held.items.add(file);
      input.files = held.files;
    };
    if (files.length === 2 && LABELS.test(files[0].name) && !LABELS.test(files[1].name)) files.reverse();
    if (files.length >= 2) {
      put(form.scores, files[0]);
      put(form.labels, files[1]);
    } else if (files.length) {
      const labels = LABELS.test(files[0].name) || (form.scores.files.length && !form.labels.files.length);
      put(labels ? form.labels : form.scores, files[0]);
    }
    this.#run();
  }

  #say(text, wrong = false) {
    this.#status.textContent = text;
    this.#status.classList.toggle('wrong', wrong);
  }

  async #run() {
    const form = this.#form;
    const mine = ++this.#latest;
    const [scores] = form.scores.files;
    const [labels] = form.labels.files;
    form.copy.hidden = true;
    this.#results.replaceChildren();
    if (!scores || !labels) {
      const missing = scores ? 'the labels' : labels ? 'the scores' : 'a file of scores and one of labels';
      this.#say(`Choose ${missing}, or drop them here.`);
      return;
    }
    this.#say(`Reading ${scores.name} and ${labels.name} …`);
    const number = (input) => (input.value === '' ? undefined : Number(input.value));
    const asked = {
      scores,
      labels,
      from: form.from.value,
      threshold: number(form.threshold),
      recall: number(form.recall) ?? 0.95,
      precision: number(form.precision) ?? 0.95,
    };
    try {
      const found = await this.#engine.call('evaluate', [asked]);
      if (mine !== this.#latest) return;
      const told = this.#show(found, asked);
      const { adapter } = (await this.#device) ?? {};
      const checked = adapter && (await this.#engine.call('agrees', [asked]));
      if (mine !== this.#latest || !checked) return;
      if (checked.off) this.#say(`${told} On ${adapter} they come out differently: ${checked.off}.`, true);
      else this.#say(`${told} On ${adapter} every count comes out the same, and every figure within its bound.`);
    } catch (e) {
      if (mine === this.#latest) this.#say(e.message, true);
    }
  }

  #show({ task, n, blocks, graphs, text }, { scores, labels }) {
    const told = `${n.toLocaleString('en')} samples of ${scores.name} against ${labels.name}: ${task}, worked out in f64 in this tab.`;
    this.#say(told);
    this.#text = text;
    this.#form.copy.hidden = false;
    const tables = document.createElement('div');
    tables.className = 'tables';
    const notes = [];
    for (const block of blocks) {
      if (block.note) notes.push(...block.note.split('\n'));
      else tables.append(table(block));
    }
    const charts = document.createElement('div');
    charts.className = 'charts';
    this.#results.append(
      tables,
      ...notes.map((note) => Object.assign(document.createElement('p'), { className: 'note', textContent: note })),
      charts,
    );
    for (const { title, across, up, curves, marks, chance } of graphs) {
      const chart = new Chart();
      charts.append(chart.element);
      chart.show({ title, across, up, x: [0, 1], y: [0, 1], curves, marks, chance, square: true });
    }
    return told;
  }
}

// What a table is of, by the first word above its columns.
const CAPTIONS = { 'truth \\ predicted': 'Confusion matrix', 'operating point': 'Operating points', class: 'Classes', label: 'Labels' };

function table({ head, rows }) {
  const made = document.createElement('table');
  const caption = CAPTIONS[head[0]] ?? (rows.some(([name]) => /accuracy|MSE/.test(name)) ? 'Figures' : 'Samples');
  made.createCaption().textContent = caption;
  const cell = (row, text, scope) => {
    const made = document.createElement(scope ? 'th' : 'td');
    made.textContent = text;
    if (scope) made.scope = scope;
    row.append(made);
  };
  if (head.length) {
    const row = made.createTHead().insertRow();
    for (const text of head) cell(row, text, 'col');
  }
  const body = made.createTBody();
  for (const texts of rows) {
    const row = body.insertRow();
    texts.forEach((text, k) => cell(row, text, k ? undefined : 'row'));
  }
  const scroll = document.createElement('div');
  scroll.className = 'scroll';
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', caption);
  scroll.append(made);
  return scroll;
}

// The part Bench. #bench&losses=mse,dice&rows=1024&cols=1024&dtype=f16 begins at once.

import { short } from './plot.js';

const FEW = ['mse', 'bce_with_logits', 'cross_entropy', 'dice'];

const CLOCKS = {
  timestamps: 'Timed by the device, with timestamps around many evaluations in one submission.',
  wall:
    'Timed from submitting many evaluations at once until the browser says that all are done, since this device gives no timestamps: a part of it ' +
    'is the browser’s.',
};

export class Bench {
  #engine;
  #device;
  #form;
  #status;
  #table;
  #ready;
  #names = [];

  constructor(section, engine, device) {
    this.#engine = engine;
    this.#device = device;
    this.#form = section.querySelector('form');
    this.#status = section.querySelector('[role=status]');
    this.#table = section.querySelector('table');
    this.#form.onsubmit = (e) => {
      e.preventDefault();
      const asked = this.#form.loss.value;
      this.#run({ few: FEW, all: this.#names }[asked] ?? [asked]);
    };
    this.#form.stop.onclick = () => engine.stop(new Error('stopped'));
    this.#working(true);
    this.#form.stop.hidden = true;
    this.#ready = (async () => {
      if (!(await device)) return;
      this.#names = (await engine.call('losses')).map((l) => l.name);
      this.#form.loss.append(...this.#names.map((name) => new Option(name, name)));
      this.#form.dtype.append(...(await engine.call('dtypes')).map((name) => new Option(name, name)));
      this.#working(false);
    })();
  }

  async told(told) {
    await this.#ready;
    const losses = told.get('losses');
    if (!losses || !this.#names.length) return;
    for (const name of ['rows', 'cols', 'dtype']) if (told.has(name)) this.#form[name].value = told.get(name);
    this.#run(losses.split(','));
  }

  #working(now) {
    for (const input of this.#form.elements) input.disabled = now && input.name !== 'stop';
    this.#form.stop.hidden = !now;
  }

  async #run(names) {
    const { rows, cols, dtype } = this.#form;
    const body = this.#table.tBodies[0];
    body.replaceChildren();
    this.#working(true);
    const total = 2 * names.length;
    const says = (text, wrong = false) => {
      this.#status.textContent = text;
      this.#status.classList.toggle('wrong', wrong);
    };
    says('Compiling the first kernels …');
    let clock;
    try {
      const asked = [names, Number(rows.value), Number(cols.value), dtype.value];
      await this.#engine.call('bench', asked, (row) => {
        clock = row.clock;
        this.#table.hidden = false;
        const line = body.insertRow();
        const name = document.createElement('th');
        name.scope = 'row';
        name.textContent = row.name;
        line.append(name);
        const cells = [row.direction, ...[row.ms, row.speed, row.copy_speed].map((v) => short(v, 3)), `${(100 * row.part).toFixed(0)} %`];
        for (const text of cells) line.insertCell().textContent = text;
        says(`${row.name}: measurement ${body.rows.length} of ${total}`);
      });
      const found = await this.#device;
      says(`${body.rows.length} measurements of ${rows.value} × ${cols.value} numbers in ${dtype.value} on ${found.adapter}. ${CLOCKS[clock]}`);
    } catch (e) {
      says(`Ended early: ${e.message}.`, true);
    }
    this.#working(false);
  }
}

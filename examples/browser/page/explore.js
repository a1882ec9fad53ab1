// The part Explore. #explore&loss=huber&delta=0.5&t=1 says what is shown: the loss, and options, what the line leaves open and the ends of the
// axis by name, where they are not at their defaults. The address follows what is moved.

import { Curves, marked } from './curves.js';

const FAMILIES = { elementwise: 'Of elements', rows: 'Of rows', sets: 'Of sets' };

export class Explore {
  #section;
  #select;
  #curves;
  #losses;

  constructor(section, engine, device) {
    this.#section = section;
    this.#select = section.querySelector('select');
    this.#curves = new Curves(section.querySelector('.curves'), engine);
    this.#curves.changed = () => this.#address();
    this.#select.onchange = () => {
      this.#show(this.#select.value);
      this.#address();
    };
    this.#losses = (async () => {
      if (!(await device)) return;
      const losses = await engine.call('losses');
      for (const [family, title] of Object.entries(FAMILIES)) {
        const group = document.createElement('optgroup');
        group.label = title;
        group.append(...losses.filter((l) => l.family === family).map((l) => new Option(l.name, l.name)));
        this.#select.append(group);
      }
      this.#select.disabled = false;
      return new Map(losses.map((l) => [l.name, l]));
    })();
  }

  // What the address says; without a loss, what there was.
  async told(told) {
    const losses = await this.#losses;
    if (!losses) return;
    const asked = told.get('loss');
    if (losses.has(asked)) this.#show(asked, told);
    else if (!this.#select.dataset.shown) this.#show(losses.keys().next().value, told);
  }

  async #show(name, values) {
    const loss = (await this.#losses).get(name);
    this.#select.value = name;
    this.#select.dataset.shown = name;
    const say = (what, text) => marked(this.#section.querySelector(`.${what}`), text);
    say('summary', loss.summary);
    say('formula', loss.formula);
    say('agrees', loss.agrees ? `Agrees with ${loss.agrees}.` : '');
    this.#curves.show(loss, undefined, values);
  }

  #address() {
    const told = new URLSearchParams([['loss', this.#select.value], ...this.#curves.values]);
    history.replaceState(null, '', `#explore&${told}`);
  }
}

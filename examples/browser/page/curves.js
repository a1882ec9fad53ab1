// The curves of a loss over what there is to move, registered or written: the parts Explore and Write have them in common.

import { Chart, short } from './plot.js';

// So many places of a curve stand in the table.
const ROWS = 13;

// What a slider of sizes says is a power of ten.
const position = (spec, v) => (spec.log ? Math.log10(Math.max(v, spec.low)) : v);
const at = (spec, position) => (spec.log ? Number((10 ** position).toPrecision(2)) : position);

// Fills an element with a text in which `names` are code.
export function marked(element, text) {
  const parts = text.split('`').map((part, k) => {
    if (k % 2 === 0) return part;
    return Object.assign(document.createElement('code'), { textContent: part });
  });
  element.replaceChildren(...parts);
}

export class Curves {
  #engine;
  #root;
  #status;
  #loss;
  #wgsl;
  #inputs = new Map();
  #wanted = false;
  #busy = false;
  #charts = [new Chart(), new Chart()];
  // What changed last is told here.
  changed = () => {};

  constructor(root, engine) {
    this.#engine = engine;
    root.append(document.getElementById('curves').content.cloneNode(true));
    this.#root = root;
    this.#status = root.querySelector('[role=status]');
    root.querySelector('.charts').append(...this.#charts.map((c) => c.element));
    root.querySelector('form').onsubmit = (e) => e.preventDefault();
    for (const end of Object.values(this.#ends)) end.oninput = () => this.#moved();
    root.querySelector('[name=all-defaults]').onclick = () => {
      this.show(this.#loss, this.#wgsl);
      this.changed();
    };
  }

  // No option has a name with a hyphen.
  get #ends() {
    return { from: this.#root.querySelector('[name=axis-from]'), to: this.#root.querySelector('[name=axis-to]') };
  }

  // Shows a loss; of a text where there is one. `values` are of options, dials and ends of the axis by name, the others at their defaults.
  show(loss, wgsl, values = new Map()) {
    this.#loss = loss;
    this.#wgsl = wgsl;
    this.#inputs.clear();
    const group = (name, specs) => {
      const field = this.#root.querySelector(`fieldset.${name}`);
      field.querySelector('div').replaceChildren(...specs.map((spec) => this.#control(spec, values.get(spec.name))));
      field.hidden = !specs.length;
    };
    group('options', loss.options);
    group('dials', loss.dials);
    for (const [name, end] of Object.entries(this.#ends)) end.value = values.get(name) ?? '';
    this.update();
  }

  // The values that are not the defaults, by name.
  get values() {
    const all = new Map();
    for (const [name, { spec, value }] of this.#inputs) if (value() !== spec.value) all.set(name, value());
    for (const [name, end] of Object.entries(this.#ends)) if (end.value !== '') all.set(name, end.value);
    return all;
  }

  #control(spec, given) {
    const control = document.createElement('div');
    control.className = 'control';
    const input = (type, name, label) => {
      const made = document.createElement('input');
      Object.assign(made, { type, name });
      made.setAttribute('aria-label', label);
      return made;
    };
    const summary = document.createElement('small');
    marked(summary, spec.takes && spec.kind === 'number' ? `${spec.summary} Takes ${spec.takes}.` : spec.summary);
    if (spec.kind === 'flag') {
      const label = document.createElement('label');
      const box = input('checkbox', spec.name, spec.name);
      box.checked = given === undefined ? spec.value : String(given) === 'true';
      box.oninput = () => this.#moved();
      label.append(box, ` ${spec.name}`);
      control.append(label, summary);
      this.#inputs.set(spec.name, { spec, value: () => box.checked });
      return control;
    }
    const name = document.createElement('span');
    name.textContent = spec.name;
    const number = input('number', spec.name, `${spec.name}, as a number`);
    number.step = 'any';
    number.value = given ?? spec.value;
    control.append(name);
    if (spec.kind === 'number') {
      const slider = input('range', `${spec.name}-slider`, spec.name);
      slider.min = position(spec, spec.low);
      slider.max = position(spec, spec.high);
      slider.step = spec.step;
      slider.value = position(spec, Number(number.value));
      slider.oninput = () => {
        number.value = at(spec, Number(slider.value));
        this.#moved();
      };
      number.oninput = () => {
        slider.value = position(spec, Number(number.value));
        this.#moved();
      };
      control.append(slider);
    } else {
      number.step = 1;
      number.oninput = () => this.#moved();
    }
    control.append(number, summary);
    this.#inputs.set(spec.name, { spec, value: () => (number.value === '' ? spec.value : Number(number.value)) });
    return control;
  }

  #moved() {
    this.update();
    this.changed();
  }

  // Evaluates what there is to be seen now. One evaluation at a time: what is moved meanwhile is seen by the next, and only its last place.
  async update() {
    this.#wanted = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted) {
      this.#wanted = false;
      const loss = this.#loss;
      const values = (specs) => specs.map(({ name }) => [name, this.#inputs.get(name).value()]);
      const end = (input) => (input.value === '' ? undefined : Number(input.value));
      const asked = {
        name: loss.name,
        wgsl: this.#wgsl,
        options: Object.fromEntries(values(loss.options)),
        dials: values(loss.dials).map(([, v]) => v),
        low: end(this.#ends.from),
        high: end(this.#ends.to),
      };
      const begun = performance.now();
      try {
        const found = await this.#engine.call('curves', [asked]);
        // Of a loss that is no longer shown nobody wants to know.
        if (loss === this.#loss) this.#draw(loss, found, performance.now() - begun);
      } catch (e) {
        if (loss === this.#loss) this.#say(e.message, true);
      }
    }
    this.#busy = false;
  }

  #say(text, wrong) {
    this.#status.textContent = text;
    this.#status.classList.toggle('wrong', wrong);
    this.#root.querySelector('.charts').classList.toggle('stale', wrong);
  }

  #draw(loss, { axis, low, high, places, loss: height, slopes }, ms) {
    const x = [low, high];
    const [values, derivatives] = this.#charts;
    values.show({ title: `${loss.name}: loss`, across: axis, up: 'loss', x, curves: [{ label: '', x: places, y: height }] });
    const curves = slopes.map(({ by, values }) => ({ label: `by ${by}`, x: places, y: values }));
    derivatives.show({ title: `${loss.name}: gradient`, across: axis, up: `d loss / d ${slopes.map((s) => s.by).join(', ')}`, x, curves });
    this.#ends.from.placeholder = short(low);
    this.#ends.to.placeholder = short(high);

    const table = this.#root.querySelector('table');
    const cells = (tag, texts) => texts.map((text) => Object.assign(document.createElement(tag), { textContent: text }));
    table.tHead.rows[0].replaceChildren(...cells('th', [axis, 'loss', ...slopes.map(({ by }) => `d loss / d ${by}`)]));
    for (const head of table.tHead.rows[0].cells) head.scope = 'col';
    const rows = Array.from({ length: ROWS }, (_, k) => Math.round((k * (places.length - 1)) / (ROWS - 1)));
    table.tBodies[0].replaceChildren(
      ...rows.map((i) => {
        const row = document.createElement('tr');
        const [place] = cells('th', [short(places[i])]);
        place.scope = 'row';
        row.append(place, ...cells('td', [height[i], ...slopes.map(({ values }) => values[i])].map((v) => short(v))));
        return row;
      }),
    );
    this.#say(`${loss.name}: ${places.length} places evaluated on the device in ${ms.toFixed(ms < 10 ? 1 : 0)} ms`, false);
    // When somebody first saw something.
    if (!performance.getEntriesByName('first-curve').length) performance.mark('first-curve');
  }
}

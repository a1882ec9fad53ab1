// The part Write: a text of WGSL becomes a loss as it is typed.

import { Curves } from './curves.js';

// A pause in typing, in milliseconds.
const PAUSE = 250;

export class Write {
  #engine;
  #section;
  #text;
  #gutter;
  #status;
  #mistake;
  #curves;
  #pause;
  #latest = 0;
  #ready;

  constructor(section, engine, device) {
    this.#engine = engine;
    this.#section = section;
    this.#text = section.querySelector('textarea');
    this.#gutter = section.querySelector('.gutter');
    this.#status = section.querySelector('.told');
    this.#curves = new Curves(section.querySelector('.curves'), engine);
    const examples = section.querySelector('[name=example]');
    this.#text.oninput = () => {
      this.#number();
      clearTimeout(this.#pause);
      this.#pause = setTimeout(() => this.#compile(), PAUSE);
    };
    this.#text.onscroll = () => (this.#gutter.scrollTop = this.#text.scrollTop);
    section.querySelector('[name=mistake]').onclick = () => this.#visit();
    this.#ready = (async () => {
      if (!(await device)) return;
      const all = await engine.call('examples');
      examples.append(...all.map(({ name }) => new Option(name, name)));
      const begin = () => {
        this.#text.value = all.find(({ name }) => name === examples.value).wgsl;
        this.#text.scrollTop = 0;
        this.#number();
        return this.#compile(new Map());
      };
      examples.onchange = begin;
      examples.disabled = false;
      this.#text.disabled = false;
      await begin();
    })();
  }

  async told() {
    await this.#ready;
  }

  // The numbers of the lines, one of which may be marked.
  #number() {
    const lines = this.#text.value.split('\n').length;
    const wrong = this.#mistake?.line;
    this.#gutter.replaceChildren(
      ...Array.from({ length: lines }, (_, k) => {
        const line = document.createElement('span');
        line.textContent = k + 1 === wrong ? `▶ ${k + 1}` : k + 1;
        line.classList.toggle('wrong', k + 1 === wrong);
        return line;
      }),
    );
    this.#gutter.scrollTop = this.#text.scrollTop;
  }

  // What was moved stays so, where there still is such an option.
  async #compile(values = this.#curves.values) {
    const mine = ++this.#latest;
    const wgsl = this.#text.value;
    let found;
    try {
      found = await this.#engine.call('compile', [wgsl]);
    } catch (e) {
      found = { error: { message: e.message } };
    }
    // Only of what stands there now.
    if (mine !== this.#latest) return;
    const { error, loss, derivative } = found;
    this.#mistake = error;
    this.#number();
    this.#text.setAttribute('aria-invalid', Boolean(error));
    this.#status.classList.toggle('wrong', Boolean(error));
    this.#section.querySelector('[name=mistake]').hidden = !error?.line;
    this.#section.querySelector('.results').classList.toggle('stale', Boolean(error));
    if (error) {
      const place = error.line ? `Line ${error.line}, column ${error.column}: ` : '';
      this.#status.textContent = `${place}${error.message}`;
      return;
    }
    this.#status.textContent = `A loss of ${loss.inputs.join(', ')}. Its derivatives are below.`;
    this.#section.querySelector('pre').textContent = derivative;
    this.#curves.show(loss, wgsl, values);
  }

  // Puts the cursor where the mistake is, and selects it.
  #visit() {
    const { line, column, length } = this.#mistake;
    const lines = this.#text.value.split('\n');
    const before = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    // Columns are of characters, places of UTF-16 units.
    const units = (from, count) => Array.from(from).slice(0, count).join('').length;
    const start = before + units(lines[line - 1] ?? '', column - 1);
    const end = start + units(this.#text.value.slice(start), Math.max(1, length));
    this.#text.focus();
    this.#text.setSelectionRange(start, end);
    const height = this.#text.scrollHeight / lines.length;
    this.#text.scrollTop = Math.max(0, (line - 3) * height);
  }
}

// The part Verify. #verify&small, #verify&quick and #verify&full begin at once; names=mse,binary verifies these alone.

const FAILURES_TOLD = 20;
const EXTENTS = ['small', 'quick', 'full'];

const small = (v) => (v === 0 ? '0' : v.toExponential(1));

export class Verify {
  #engine;
  #device;
  #form;
  #progress;
  #status;
  #failures;
  #table;
  #report;
  #busy = false;

  constructor(section, engine, device) {
    this.#engine = engine;
    this.#device = device;
    this.#form = section.querySelector('form');
    this.#progress = section.querySelector('progress');
    this.#status = section.querySelector('[role=status]');
    this.#failures = section.querySelector('.failures');
    this.#table = section.querySelector('table');
    this.#form.onsubmit = (e) => {
      e.preventDefault();
      this.#run(this.#form.extent.value);
    };
    this.#form.stop.onclick = () => engine.stop(new Error('stopped'));
    this.#form.copy.onclick = () => this.#copy();
    this.#working(false);
    this.#form.querySelector('[type=submit]').disabled = true;
    device.then((found) => {
      this.#form.querySelector('[type=submit]').disabled = !found;
    });
  }

  // What the address says.
  async told(told) {
    const extent = EXTENTS.find((extent) => told.has(extent));
    if (!extent) return;
    this.#form.extent.value = extent;
    await this.#run(extent, told.get('names')?.split(','));
  }

  #working(now) {
    this.#busy = now;
    this.#form.querySelector('[type=submit]').disabled = now;
    this.#form.extent.disabled = now;
    this.#form.stop.hidden = !now;
    this.#form.copy.hidden = now || !this.#report;
    this.#progress.hidden = !now;
  }

  async #run(extent, only) {
    const found = await this.#device;
    if (!found || this.#busy) return;
    const names = only ?? found.names;
    const report = { adapter: found.adapter, agent: navigator.userAgent, extent, rows: [], failures: [] };
    this.#report = report;
    this.#failures.replaceChildren();
    this.#table.tBodies[0].replaceChildren();
    this.#working(true);
    this.#progress.removeAttribute('value');
    this.#status.textContent = 'Compiling the first kernels …';
    const lines = new Map();
    const begun = performance.now();
    try {
      await this.#engine.call('verify', [names, extent], (row) => {
        this.#progress.max = row.total;
        this.#progress.value = row.done;
        this.#status.textContent = `${row.name}: case ${row.done} of ${row.total}`;
        if (row.failure) this.#fail(row.failure);
        const key = `${row.name} ${row.dtype}`;
        if (!lines.has(key)) lines.set(key, this.#table.tBodies[0].insertRow());
        this.#table.parentElement.hidden = false;
        this.#fill(lines.get(key), row);
        const { done, total, failure, ...tally } = row;
        const at = report.rows.findIndex((r) => r.name === row.name && r.dtype === row.dtype);
        if (at < 0) report.rows.push(tally);
        else report.rows[at] = tally;
      });
    } catch (e) {
      report.error = e.message;
    }
    const sum = (field) => report.rows.reduce((sum, row) => sum + row[field], 0);
    report.seconds = (performance.now() - begun) / 1000;
    report.cases = sum('cases');
    report.failed = sum('failed');
    this.#status.textContent = this.#summary();
    this.#working(false);
  }

  #fail(failure) {
    this.#report.failures.push(failure);
    if (this.#report.failures.length > FAILURES_TOLD) return;
    const item = document.createElement('li');
    item.textContent = failure;
    this.#failures.append(item);
  }

  #fill(line, row) {
    if (!line.cells.length) {
      const name = document.createElement('th');
      name.scope = 'row';
      line.append(name);
      for (let k = 0; k < 6; k++) line.insertCell();
    }
    this.#cells(row).forEach((text, k) => (line.cells[k].textContent = text));
    line.cells[6].className = row.failed ? 'fail' : 'pass';
  }

  #cells(row) {
    return [
      `${row.name} ${row.dtype}`,
      row.cases.toLocaleString('en'),
      row.worst.toFixed(3),
      small(row.loss_err),
      small(row.grad_err),
      small(row.bound),
      row.failed ? `FAIL (${row.failed})` : 'pass',
    ];
  }

  #summary() {
    const { adapter, cases, failed, seconds, error } = this.#report;
    const ended = error ? `Ended early: ${error}. ` : '';
    return `${ended}${cases.toLocaleString('en')} cases, ${failed} failed, on ${adapter} in ${seconds.toFixed(1)} s`;
  }

  async #copy() {
    const { agent, extent, rows, failures } = this.#report;
    const heading = ['loss or metrics', 'cases', 'error/bound', 'error', 'gradient error', 'bound there', ''];
    const table = [heading, ...rows.map((row) => this.#cells(row))];
    const widths = heading.map((_, k) => Math.max(...table.map((cells) => cells[k].length)));
    const text = [
      `wgloss verify, ${extent}: ${this.#summary()}`,
      agent,
      '',
      ...table.map((cells) => cells.map((cell, k) => (k ? cell.padStart(widths[k]) : cell.padEnd(widths[k]))).join('  ').trimEnd()),
      ...failures.slice(0, FAILURES_TOLD).map((failure) => `FAIL ${failure}`),
    ];
    await navigator.clipboard.writeText(text.join('\n') + '\n');
    this.#form.copy.textContent = 'Copied';
    setTimeout(() => (this.#form.copy.textContent = 'Copy the report'), 2000);
  }
}

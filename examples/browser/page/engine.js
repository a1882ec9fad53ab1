// The library, in a worker: the page stays awake while it works, and can end it.

export class Engine {
  #worker;
  #calls = new Map();
  #next = 0;
  #told;

  // `told` hears of the device whenever it is opened or lost, or is found to be missing.
  constructor(told) {
    this.#told = told;
  }

  // Calls a function of worker.js; `each` is told what comes on the way.
  call(name, args = [], each = () => {}) {
    this.#worker ??= this.#start();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject, each });
      this.#worker.postMessage({ id, name, args });
    });
  }

  // Ends whatever is going on. The next call begins anew.
  stop(why) {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#calls.values()) reject(why);
    this.#calls.clear();
  }

  #start() {
    const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }) => {
      if (data.state) return this.#told(data.state);
      const call = this.#calls.get(data.id);
      if (!call) return;
      if ('each' in data) return call.each(data.each);
      this.#calls.delete(data.id);
      if ('error' in data) call.reject(new Error(data.error));
      else call.resolve(data.done);
      if (data.over) this.stop(new Error(data.error));
    };
    worker.onerror = (e) => this.stop(new Error(e.message || 'the program did not load'));
    return worker;
  }
}

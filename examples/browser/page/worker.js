// What the page may ask of the library. Functions are told where to send what comes on the way.

import init, { Device, compile, dtypes, evaluate, examples, losses, names } from './wgloss.js';

// The device while it is open, what the page is told of it, and who is opening it.
let device;
let state;
let opening;

const tell = (now) => postMessage({ state: (state = now) });

async function open() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return tell({ missing: navigator.gpu ? 'adapter' : 'webgpu' });
  // Browsers keep most of these empty.
  const { vendor, architecture, description } = adapter.info;
  const adapterName = description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';
  await init();
  device = await Device.open();
  device.on_lost((lost) => {
    device = undefined;
    tell({ lost });
  });
  tell({ adapter: adapterName, names: names(), ...device.about() });
}

// Opens the device where it is not open: at first, and again after it was lost.
async function ready() {
  if (!device) await (opening ??= open().finally(() => (opening = undefined)));
  return device;
}

async function needed() {
  if (!(await ready())) throw new Error('there is no device');
  return device;
}

// Two files as the library takes them.
async function read({ scores, labels, from, threshold, recall, precision }) {
  const bytes = async (file) => new Uint8Array(await file.arrayBuffer());
  return [scores.name, await bytes(scores), labels.name, await bytes(labels), from, threshold, recall, precision];
}

const calls = {
  // The device: what it is called, and what can be verified on it. `missing` says why there is none.
  async open() {
    await ready();
    return state;
  },

  async verify(each, names, extent) {
    await (await needed()).verify(names, extent, each);
  },

  async bench(each, names, rows, cols, dtype) {
    await (await needed()).bench(names, rows, cols, dtype, each);
  },

  async dtypes() {
    await init();
    return dtypes();
  },

  async losses() {
    await init();
    return losses();
  },

  async curves(each, { name, wgsl, options, dials, low, high }) {
    return (await needed()).curves(name, wgsl, options, Float64Array.from(dials), low, high);
  },

  async examples() {
    await init();
    return examples();
  },

  async compile(each, wgsl) {
    await init();
    return compile('custom', wgsl);
  },

  async evaluate(each, asked) {
    await init();
    return evaluate(...(await read(asked)));
  },

  // The same on the device, held against the reference: what is off, or nothing. `null` where there is no device.
  async agrees(each, asked) {
    const found = await ready();
    return found ? { off: await found.agrees(...(await read(asked))) } : null;
  },
};

onmessage = async ({ data: { id, name, args } }) => {
  try {
    const done = await calls[name]((each) => postMessage({ id, each }), ...args);
    postMessage({ id, done });
  } catch (e) {
    // After a trap the program is in no state to go on.
    postMessage({ id, error: e?.message ?? String(e), over: e instanceof WebAssembly.RuntimeError });
  }
};

// What the page may ask of the library. Functions are told where to send what comes on the way.

import init, { Device, compile, dtypes, evaluate, examples, losses, names } from './wgloss.js';

let opening;

// Opens the device; `missing` says why there is none.
async function open() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return { missing: navigator.gpu ? 'adapter' : 'webgpu' };
  // Browsers keep most of these empty.
  const { vendor, architecture, description } = adapter.info;
  const adapterName = description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';
  await init();
  return { adapter: adapterName, device: await Device.open() };
}

// The device, which there is one of until it is lost.
async function opened() {
  opening ??= open();
  try {
    const found = await opening;
    if (found.missing) opening = undefined;
    return found;
  } catch (e) {
    opening = undefined;
    throw e;
  }
}

async function device() {
  const { device } = await opened();
  if (!device) throw new Error('The browser gives no device any more. Reload the page');
  return device;
}

const calls = {
  // What the device is called, and what can be verified on it.
  async open() {
    const { missing, adapter, device } = await opened();
    return missing ? { missing } : { adapter, names: names(), ...device.about() };
  },

  async verify(each, names, quick) {
    await (await device()).verify(names, quick, each);
  },

  async bench(each, names, rows, cols, dtype) {
    await (await device()).bench(names, rows, cols, dtype, each);
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
    return (await device()).curves(name, wgsl, options, Float64Array.from(dials), low, high);
  },

  async examples() {
    await init();
    return examples();
  },

  async compile(each, wgsl) {
    await init();
    return compile('custom', wgsl);
  },

  async evaluate(each, { scores, labels, from, threshold, recall, precision }) {
    await init();
    const bytes = async (file) => new Uint8Array(await file.arrayBuffer());
    return evaluate(scores.name, await bytes(scores), labels.name, await bytes(labels), from, threshold, recall, precision);
  },
};

onmessage = async ({ data: { id, name, args } }) => {
  try {
    const done = await calls[name]((each) => postMessage({ id, each }), ...args);
    postMessage({ id, done });
  } catch (e) {
    let error = e?.message ?? String(e);
    if (e?.name === 'DeviceLost') {
      opening = undefined;
      error = 'The device was lost. Try again, which opens another one; if that fails, reload the page';
    }
    // After a trap the program is in no state to go on.
    postMessage({ id, error, over: e instanceof WebAssembly.RuntimeError });
  }
};

// What the page may ask of the library. Functions are told where to send what comes on the way.

import init, { Device, names } from './wgloss.js';

let device;

const calls = {
  // Opens the device: what it is called, and what can be verified on it. `missing` says why there is none.
  async open() {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) return { missing: navigator.gpu ? 'adapter' : 'webgpu' };
    // Browsers keep most of these empty.
    const { vendor, architecture, description } = adapter.info;
    const adapterName = description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';
    await init();
    device ??= await Device.open();
    return { adapter: adapterName, names: names(), ...device.about() };
  },

  async verify(each, names, quick) {
    await calls.open();
    await device.verify(names, quick, each);
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

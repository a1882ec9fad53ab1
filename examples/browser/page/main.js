// Which part of the page is seen: the address's fragment says it, and what the part is told, as in #verify&quick.

import { Bench } from './bench.js';
import { Engine } from './engine.js';
import { Evaluate } from './evaluate.js';
import { Explore } from './explore.js';
import { Verify } from './verify.js';
import { Write } from './write.js';

const MISSING = {
  insecure: 'Browsers offer WebGPU to pages of https and of localhost only: open this one at such an address.',
  webgpu:
    'This browser has no WebGPU. Chrome and Edge have it from version 113 on, Safari from 26, Firefox from 141 on (Windows first); ' +
    'on Linux open chrome://flags/#enable-unsafe-webgpu in Chrome and enable it there.',
  adapter:
    'This browser has WebGPU, but gives no device to it. Turn on graphics acceleration in its settings and update the graphics driver; ' +
    'on Linux start Chrome with --enable-unsafe-webgpu.',
};

const parts = [
  ['explore', 'Explore', Explore],
  ['write', 'Write', Write],
  ['verify', 'Verify', Verify],
  ['bench', 'Bench', Bench],
  ['evaluate', 'Evaluate', Evaluate],
];

const status = document.getElementById('device');

function tell({ adapter, missing, lost, error }) {
  status.classList.toggle('missing', !adapter);
  if (adapter) status.textContent = `On ${adapter}.`;
  else if (missing) status.textContent = MISSING[missing];
  else if (error) status.textContent = `The device does not open: ${error}. Reload the page; if that does not help, restart the browser.`;
  else status.textContent = `The device was lost${lost ? `: ${lost.replace(/\.$/, '')}` : ''}. Begin again, which opens it anew; if that does not help, restart the browser.`;
}

const engine = new Engine(tell);

// The device, or nothing, after it is said why.
const device = (async () => {
  if (!isSecureContext) return tell({ missing: 'insecure' });
  try {
    const found = await engine.call('open');
    if (found.adapter) return found;
  } catch (e) {
    tell({ error: e.message });
  }
})();

const nav = document.querySelector('nav');
const shown = new Map();
for (const [name, title, Part] of parts) {
  const link = document.createElement('a');
  link.href = `#${name}`;
  link.textContent = title;
  nav.append(link);
  shown.set(name, { link, section: document.getElementById(name), Part });
}

function show() {
  const told = new URLSearchParams(location.hash.slice(1));
  const asked = [...told.keys()][0];
  const name = shown.has(asked) ? asked : parts[0][0];
  for (const [other, { link, section }] of shown) {
    section.hidden = other !== name;
    if (other === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const part = shown.get(name);
  part.made ??= new part.Part(part.section, engine, device);
  part.made.told(told);
}

addEventListener('hashchange', show);
show();

// What is wrong with how the page looks, for a window of `width`: as texts, none where all is well.
(width) => {
  const wrong = [];
  const called = (e) => `${e.tagName.toLowerCase()}${e.id && `#${e.id}`} "${(e.textContent || e.name || '').trim().slice(0, 40)}"`;
  const area = (e) => e.getBoundingClientRect();
  const seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && area(e).width > 0 && area(e).height > 0;
  // Parts of a picture may lie over each other.
  const all = [...document.body.querySelectorAll('*')].filter((e) => !e.parentElement.closest('svg, select') && seen(e));
  const scrolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const free = all.filter((e) => {
    for (let up = e.parentElement; up; up = up.parentElement) if (scrolls(up)) return false;
    return true;
  });

  const whole = document.documentElement.scrollWidth;
  if (whole > width) wrong.push(`the page is ${whole} wide`);
  for (const e of free) {
    const { left, right } = area(e);
    if (left < -0.5 || right > width + 0.5) wrong.push(`${called(e)} is from ${left} to ${right}`);
    // Of what is inline there is no such width.
    const own = getComputedStyle(e).display !== 'inline' && !scrolls(e) && e.tagName !== 'svg';
    if (own && e.scrollWidth > e.clientWidth + 1) wrong.push(`${called(e)} is cut off: ${e.scrollWidth} in ${e.clientWidth}`);
  }

  const leaves = free.filter((e) => e.matches('a, button, input, select, textarea, label, output, progress, p, h1, h2, h3, canvas, svg, table'));
  leaves.forEach((a, k) => {
    for (const b of leaves.slice(k + 1)) {
      if (a.contains(b) || b.contains(a)) continue;
      const [p, q] = [area(a), area(b)];
      const across = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const down = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (across > 1 && down > 1) wrong.push(`${called(a)} lies over ${called(b)}`);
    }
  });

  // Contrast as WCAG defines it: 4.5 for texts.
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parts(color).map((c) => (c <= 10.31475 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let up = e; up; up = up.parentElement) {
      const color = getComputedStyle(up).backgroundColor;
      if (parts(color)[3] !== 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  for (const e of all) {
    const text = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!text || e.disabled) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) wrong.push(`${called(e)} has a contrast of ${contrast.toFixed(2)}`);
  }
  return wrong;
}

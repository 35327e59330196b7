// The guests' rate of the last minutes, drawn. Knows nothing of where it comes from.

import * as amount from '../../../agent/core/amount.ts';
import { draw, el } from './element.ts';

/** Bits a second. */
export type Point = Readonly<{ at: number; down: number; up: number }>;

const [width, height] = [600, 142];
const span = 180_000;

/** A round figure above all of them: 1, 2 or 5 and zeros. */
function ceilingOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1000)));
  return power * ([1, 2, 5, 10].find((step) => power * step >= most) ?? 10);
}

export function chart(points: readonly Point[], now: number): HTMLElement {
  const recent = points.filter(({ at }) => now - at <= span);
  const top = ceilingOf(Math.max(...recent.flatMap(({ down, up }) => [down, up]), 1000));
  const line = (of: 'down' | 'up'): SVGElement =>
    draw('polyline', {
      class: `weir-${of}`,
      points: recent.map((p) => `${(width * (1 - (now - p.at) / span)).toFixed(1)},${(height * (1 - p[of] / top)).toFixed(1)}`).join(' '),
    });
  const last = recent.at(-1) ?? { down: 0, up: 0 };
  const rate = (n: number): string => amount.renderRate(BigInt(Math.round(n)));
  const grid = [0, 0.5, 1].map((y) =>
    draw('line', { x1: 0, x2: width, y1: height * y, y2: height * y, stroke: 'currentColor', 'stroke-opacity': 0.2 }),
  );
  const picture = draw(
    'svg',
    {
      class: 'weir-chart',
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': _('Rate of all guests'),
    },
    ...grid,
    line('down'),
    line('up'),
  );
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'weir-legend' },
      el('span', {}, el('span', { class: 'weir-down' }, '━ '), `${_('To guests')}: ${rate(last.down)}`),
      el('span', {}, el('span', { class: 'weir-up' }, '╍ '), `${_('From guests')}: ${rate(last.up)}`),
      el('span', {}, `${_('Top of the chart')}: ${rate(top)}`),
      el('span', {}, _('the last three minutes')),
    ),
    picture,
  );
}

// Charts, drawn. Knows nothing of where figures come from.

import { type Child, draw, el } from './element.ts';
import { size, time, type Whole } from './words.ts';

const svg = (width: number, name: string, says: string, ...children: readonly Child[]): SVGElement =>
  draw(
    'svg',
    { class: name, viewBox: `0 0 ${width} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': says },
    draw('title', {}, says),
    ...children,
  );

export type Bar = Readonly<{ value: number; name: string; says: string }>;

const fewest = 24;

/** `name`: the class of its colour. The smallest of them is seen; a few of them do not fill the width. */
export function bars(all: readonly Bar[], says: string): SVGElement {
  const width = 10 * Math.max(fewest, all.length);
  const top = Math.max(1, ...all.map(({ value }) => value));
  const heightOf = (value: number): number => (value === 0 ? 0 : Math.max(3, (100 * value) / top));
  return svg(
    width,
    'chart',
    says,
    ...[0, 50, 100].map((y) => draw('line', { x1: 0, x2: width, y1: y, y2: y })),
    ...all.map(({ value, name, says: of }, i) =>
      draw('rect', { class: name, x: 10 * i + 1, width: 8, y: 100 - heightOf(value), height: heightOf(value) }, draw('title', {}, of)),
    ),
  );
}

export type Point = Readonly<{ at: number; bytes: Whole }>;

/** Bytes in each step from `since` on; a step without any has no point. */
export function traffic(points: readonly Point[], since: number, step: number, steps: number): HTMLElement {
  const known = new Map(points.map(({ at, bytes }) => [at, Number(bytes)]));
  const all = Array.from({ length: steps }, (_, i): Bar => {
    const [at, value] = [since + i * step, known.get(since + i * step) ?? 0];
    return { value, name: 'used', says: `${time(at)}: ${size(BigInt(value))}` };
  });
  const top = BigInt(Math.max(0, ...all.map(({ value }) => value)));
  const sum = all.reduce((total, { value }) => total + BigInt(value), 0n);
  const caption = `${size(sum)} billed, at most ${size(top)} in ${step < 60 ? `${step} s` : step < 3600 ? `${step / 60} min` : `${step / 3600} h`}`;
  return el(
    'figure',
    {},
    el('figcaption', {}, caption),
    bars(all, caption),
    el('div', { class: 'axis' }, el('span', {}, time(since)), el('span', {}, time(since + steps * step))),
  );
}

/** How much of a whole. */
export const part = (value: number, whole: number, says: string): SVGElement =>
  svg(100, 'part', says, draw('rect', { width: Math.min(100, (100 * value) / Math.max(1, whole)), height: 100 }));

/** To the left what is owed, to the right what is owned. */
export function balance(value: number, most: number, says: string): SVGElement {
  const width = value === 0 ? 0 : Math.max(1, (50 * Math.abs(value)) / Math.max(1, most));
  return svg(
    100,
    'balance',
    says,
    draw('rect', { class: value < 0 ? 'owed' : 'owned', x: value < 0 ? 50 - width : 50, width, height: 100 }),
    draw('line', { x1: 50, x2: 50, y1: 0, y2: 100 }),
  );
}

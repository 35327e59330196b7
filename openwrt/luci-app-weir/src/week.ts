// The hours of a week to be painted: with the mouse, a finger, or arrows and the space bar.

import { button, el } from './element.ts';
import type { Widget } from './field.ts';
import * as hours from './hours.ts';

const named = (): readonly string[] => [_('Mon'), _('Tue'), _('Wed'), _('Thu'), _('Fri'), _('Sat'), _('Sun')];

export function grid(start: hours.Week): Widget {
  const week = [...start];
  let brush: boolean | null = null;
  const cells = week.map((isOn, i) =>
    el('td', {
      role: 'gridcell',
      tabindex: i === 0 ? 0 : -1,
      'aria-selected': `${isOn}`,
      'aria-label': `${named()[Math.floor(i / 24)]} ${i % 24}:00`,
      'data-hour': i,
    }),
  );
  const paint = (i: number, isOn: boolean): void => {
    week[i] = isOn;
    cells[i]?.setAttribute('aria-selected', `${isOn}`);
  };
  const hourAt = (event: Event): number | null => {
    // A finger's events all belong to where it came down.
    const at = event instanceof PointerEvent ? document.elementFromPoint(event.clientX, event.clientY) : event.target;
    const hour = at instanceof HTMLElement ? at.dataset['hour'] : undefined;
    return hour === undefined ? null : Number(hour);
  };
  const steps: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -24, ArrowDown: 24 };
  const table = el(
    'table',
    {
      class: 'weir-week',
      role: 'grid',
      'aria-multiselectable': 'true',
      pointerdown(event) {
        const i = hourAt(event);
        if (i === null) return;
        brush = week[i] !== true;
        paint(i, brush);
        if (event instanceof PointerEvent && event.target instanceof Element) event.target.releasePointerCapture(event.pointerId);
      },
      pointermove(event) {
        const i = brush === null ? null : hourAt(event);
        if (i !== null && brush !== null) paint(i, brush);
      },
      keydown(event) {
        const i = hourAt(event);
        if (!(event instanceof KeyboardEvent) || i === null) return;
        if (event.key === ' ') paint(i, week[i] !== true);
        const step = steps[event.key];
        if (step !== undefined) {
          const next = cells[(i + step + 168) % 168];
          cells[i]?.setAttribute('tabindex', '-1');
          next?.setAttribute('tabindex', '0');
          next?.focus();
        }
        if (event.key === ' ' || step !== undefined) event.preventDefault();
      },
    },
    el('tr', {}, el('th', {}), ...[0, 6, 12, 18].map((hour) => el('th', { colspan: 6 }, `${hour}:00`))),
    ...named().map((name, day) => el('tr', { role: 'row' }, el('th', { scope: 'row' }, name), ...cells.slice(24 * day, 24 * day + 24))),
  );
  // Wherever the button is let go.
  window.addEventListener('pointerup', () => {
    brush = null;
  });
  const all = (isOn: boolean): void => {
    for (const i of week.keys()) paint(i, isOn);
  };
  const node = el(
    'div',
    {},
    table,
    el(
      'div',
      { class: 'weir-row' },
      button(_('Clear'), 'neutral', () => all(false)),
      button(_('All hours'), 'neutral', () => all(true)),
    ),
  );
  return { node, input: table, value: () => hours.textsOf(week) };
}

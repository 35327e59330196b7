// Makes elements. Whatever is not an element becomes text and never HTML: names and reasons come from elsewhere.

export type Child = Node | string | null;
type Attribute = string | number | boolean | null | ((event: Event) => void);

function make<T extends Element>(node: T, attributes: Readonly<Record<string, Attribute>>, children: readonly Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? '' : `${value}`);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** `attributes`: false and null leave one out, a function listens to the event of this name. */
export const el = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] => make(document.createElement(tag), attributes, children);

export const draw = (
  tag: 'svg' | 'path' | 'line' | 'polyline',
  attributes: Readonly<Record<string, Attribute>>,
  ...children: readonly Child[]
): SVGElement => make(document.createElementNS('http://www.w3.org/2000/svg', tag) as SVGElement, attributes, children);

/** What is shown changes every few seconds; who works with the keyboard stays where he is, and what is pressed stays until it is let go. */
export function renew(place: Element, ...children: readonly Child[]): void {
  if (place.querySelector(':active') !== null) return;
  const { activeElement } = document;
  const id = activeElement !== null && place.contains(activeElement) ? activeElement.id : '';
  place.replaceChildren(...children.filter((child) => child !== null));
  if (id !== '') document.getElementById(id)?.focus();
}

type Look = 'action' | 'positive' | 'negative' | 'neutral';

/** While it works it cannot be pressed again. */
export function button(
  label: string,
  look: Look,
  press: () => void | Promise<void>,
  attributes: Readonly<Record<string, Attribute>> = {},
): HTMLButtonElement {
  const node: HTMLButtonElement = el(
    'button',
    {
      type: 'button',
      class: `btn cbi-button cbi-button-${look}`,
      click: async () => {
        node.disabled = true;
        try {
          await press();
        } finally {
          node.disabled = false;
        }
      },
      ...attributes,
    },
    label,
  );
  return node;
}

export const bar = (part: number, label: string): HTMLElement =>
  el(
    'div',
    { class: 'weir-bar', role: 'img', 'aria-label': label },
    el('div', { style: `width:${Math.min(100, Math.max(0, 100 * part)).toFixed(1)}%`, class: part >= 0.9 ? 'weir-full' : null }),
  );

export const alert = (kind: 'warning' | 'error' | 'success' | 'info', ...children: readonly Child[]): HTMLElement =>
  el('div', { class: `alert-message ${kind}`, role: kind === 'error' ? 'alert' : 'status' }, ...children);

export const section = (title: string, ...children: readonly Child[]): HTMLElement =>
  el('div', { class: 'cbi-section' }, el('h3', {}, title), ...children);

/** On a phone each cell says by itself what it is. */
export const rows = (titles: readonly string[], cells: readonly (readonly Child[])[]): HTMLElement =>
  el(
    'table',
    { class: 'table weir-table' },
    el('tr', { class: 'tr table-titles' }, ...titles.map((title) => el('th', { class: 'th' }, title))),
    ...cells.map((row) =>
      el('tr', { class: 'tr' }, ...row.map((cell, i) => el('td', { class: 'td', 'data-name': titles[i] || null }, cell))),
    ),
  );

/** Colours are the theme's; where it names none, they are half of what is written. */
export const style = (): HTMLElement =>
  el(
    'style',
    {},
    `
.weir { overflow-wrap: anywhere }
.weir [hidden] { display: none }
.weir .alert-message { margin: .75em 0 }
.weir-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(11em, 1fr)); gap: .75em; margin: .75em 0 }
.weir-card { border: 1px solid var(--border-color-medium, #8886); border-radius: 4px; padding: .6em .8em; min-width: 0 }
.weir-card > b { display: block; opacity: .75; font-weight: normal; font-size: 90% }
.weir-card > strong { display: block; font-size: 135%; line-height: 1.5 }
.weir-card > small { display: block; opacity: .8 }
.weir-bar { height: .6em; border-radius: .3em; background: #8884; overflow: hidden; margin: .25em 0; min-width: 5em }
.weir-bar > div { height: 100%; background: var(--primary-color-high, #0088cc); border-radius: .3em }
.weir-bar > .weir-full { background: var(--error-color-high, #d44) }
.weir-chart { width: 100%; height: 11em; display: block }
.weir-chart polyline { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke }
.weir-down { stroke: var(--primary-color-high, #0088cc); color: var(--primary-color-high, #0088cc) }
.weir-up { stroke: #e08a00; color: #e08a00; stroke-dasharray: 5 3 }
.weir-legend { display: flex; gap: 1.5em; flex-wrap: wrap }
.weir-choice { display: block; padding: .15em 0 }
.weir-row { display: flex; gap: .5em; flex-wrap: wrap; align-items: center }
.weir-table td .btn { margin: 0 .25em .25em 0 }
.weir-field { display: grid; grid-template-columns: 14em minmax(0, 1fr); gap: .25em 1em; padding: .4em 0; align-items: start }
.weir-field > label { padding-top: .3em; text-align: right }
.weir-field input[type=text], .weir-field input[type=password], .weir-field select, .weir-field textarea { width: 100%; max-width: 24em; box-sizing: border-box }
.weir-field textarea { min-height: 5em }
.weir-field small { display: block; opacity: .8; max-width: 44em }
.weir-wrong { color: var(--error-color-high, #d33); font-weight: bold }
.weir-field [aria-invalid=true] { border-color: var(--error-color-high, #d33) !important; outline: 1px solid var(--error-color-high, #d33) }
.weir-week { border-collapse: collapse; touch-action: none; user-select: none; width: 100%; max-width: 44em }
.weir-week th { font-weight: normal; font-size: 80%; padding: 0 .3em; text-align: left }
.weir-week td { padding: 0; border: 1px solid #8886; height: 1.6em; cursor: pointer }
.weir-week td[aria-selected=true] { background: var(--primary-color-high, #0088cc) }
.weir-week td:focus { outline: 2px solid currentColor; outline-offset: -2px }
.weir-steps { display: flex; flex-wrap: wrap; gap: .5em; list-style: none; padding: 0; margin: .5em 0 1em }
.weir-steps li { border: 1px solid var(--border-color-medium, #8886); border-radius: 1.2em; padding: .2em .9em }
.weir-steps li[aria-current] { background: var(--primary-color-high, #0088cc); color: #fff }
.weir-code { background: #fff; padding: 12px; display: block; width: min(100%, 340px); margin: .5em auto; box-sizing: border-box }
.weir pre { white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 600px) {
  .weir-field { grid-template-columns: minmax(0, 1fr) }
  .weir-field > label { text-align: left }
  .weir .weir-table, .weir .weir-table tbody, .weir .weir-table .tr, .weir .weir-table .td { display: block; width: auto; text-align: left }
  .weir .weir-table .table-titles { display: none }
  .weir .weir-table .tr { border: 1px solid var(--border-color-medium, #8886); border-radius: 4px; margin-bottom: .5em; padding: .3em .5em }
  .weir .weir-table .td { border: 0; padding: .2em }
  .weir .weir-table .td::before { content: none }
  .weir .weir-table .td[data-name]::before { display: inline; content: attr(data-name) ': '; opacity: .75; font-weight: normal }
}`,
  );

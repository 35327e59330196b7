// Makes elements. Whatever is not an element becomes text and never HTML: names and reasons come from elsewhere. Styles are classes, since the
// page's policy lets no style attribute in.

export type Child = Node | string | null;
type Attributes = Readonly<Record<string, string | number | boolean | null | ((event: Event) => void)>>;

function make<T extends Element>(node: T, attributes: Attributes, children: readonly Child[]): T {
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
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] => make(document.createElement(tag), attributes, children);

export const draw = (tag: 'svg' | 'rect' | 'line' | 'title', attributes: Attributes, ...children: readonly Child[]): SVGElement =>
  make(document.createElementNS('http://www.w3.org/2000/svg', tag) as SVGElement, attributes, children);

/** What is shown changes every few seconds; who works with the keyboard stays where he is. */
export function renew(place: Element, ...children: readonly Child[]): void {
  const { activeElement: at } = document;
  const name = at?.id ? 'id' : 'href';
  const value = at !== null && place.contains(at) ? at.getAttribute(name) : null;
  place.replaceChildren(...children.filter((child) => child !== null));
  if (value !== null) place.querySelector<HTMLElement>(`[${name}="${value}"]`)?.focus({ preventScroll: true });
}

/** `title`: none where the page's own says it. */
export const section = (title: string | null, ...children: readonly Child[]): HTMLElement =>
  el('section', {}, title === null ? null : el('h2', {}, title), ...children);
export const note = (kind: 'good' | 'bad' | 'plain', ...children: readonly Child[]): HTMLElement =>
  el('p', { class: `note ${kind}`, role: kind === 'bad' ? 'alert' : 'status' }, ...children);
export const badge = (kind: 'good' | 'bad' | 'warn' | 'plain', words: string): HTMLElement => el('span', { class: `badge ${kind}` }, words);
export const link = (hash: string, words: string, name: string | null = null): HTMLElement =>
  el('a', { href: `#/${hash}`, class: name }, words);

/** It stays on its line. */
export const figure = (says: string): HTMLElement => el('span', { class: 'figure' }, says);

export const card = (title: string, value: Child, ...more: readonly Child[]): HTMLElement =>
  el(
    'div',
    { class: 'card' },
    el('b', {}, title),
    el('strong', {}, value),
    ...more.map((one) => (typeof one === 'string' ? el('small', {}, one) : one)),
  );
export const cards = (...all: readonly Child[]): HTMLElement => el('div', { class: 'cards' }, ...all);

/** On a phone each cell says by itself what it is. `empty`: said in place of a table without rows. `name`: dense, for many short cells. */
export const rows = (
  titles: readonly string[],
  cells: readonly (readonly Child[])[],
  empty: string,
  name: 'dense' | null = null,
): HTMLElement =>
  cells.length === 0
    ? el('p', { class: 'empty' }, empty)
    : el(
        'table',
        { class: name },
        el('thead', {}, el('tr', {}, ...titles.map((title) => el('th', { scope: 'col' }, title)))),
        el('tbody', {}, ...cells.map((row) => el('tr', {}, ...row.map((cell, i) => el('td', { 'data-name': titles[i] || null }, cell))))),
      );

/** Saves text as a file. */
export function save(name: string, text: string): void {
  const href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  el('a', { href, download: name }).click();
  URL.revokeObjectURL(href);
}

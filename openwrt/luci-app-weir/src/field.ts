// One thing that the owner types or chooses, with its name, its explanation and, beside it, what is wrong with it. Knows no option.

import { el } from './element.ts';

export type Value = string | readonly string[];
export type Field = Readonly<{
  node: HTMLElement;
  /** null, and said beside it: it cannot be used. Empty: not set. */
  read(): Value | null;
}>;

export type Widget = Readonly<{ node: HTMLElement; input: HTMLElement; value(): Value }>;

export type Terms = Readonly<{
  name: string;
  label: string;
  help: string;
  /** What is wrong, in words; null: nothing. Nothing is asked about what is empty. */
  wrong(text: string): string | null;
  isNeeded?: boolean;
}>;

export function field({ name, label, help, wrong, isNeeded = false }: Terms, widget: Widget): Field {
  const id = `weir-${name}`;
  const says = el('div', { class: 'weir-wrong', id: `${id}-wrong`, 'aria-live': 'polite' });
  widget.input.id = id;
  widget.input.setAttribute('aria-describedby', `${id}-wrong`);
  // A label names only what can be typed into or ticked.
  if (widget.input.hasAttribute('role')) widget.input.setAttribute('aria-label', label);
  const fault = (): string | null => {
    const value = widget.value();
    if (value.length === 0) return isNeeded ? _('This is needed') : null;
    return [value].flat().reduce<string | null>((first, text) => first ?? wrong(text), null);
  };
  const look = (): boolean => {
    const found = fault();
    says.textContent = found ?? '';
    widget.input.setAttribute('aria-invalid', `${found !== null}`);
    return found === null;
  };
  // Not while it is typed: half a number is no mistake yet.
  widget.node.addEventListener('change', look);
  return {
    node: el(
      'div',
      { class: 'weir-field', 'data-name': name },
      el('label', { for: id }, label),
      el('div', {}, widget.node, says, help === '' ? null : el('small', {}, help)),
    ),
    read: () => (look() ? widget.value() : null),
  };
}

/** `unset`: what holds when nothing is typed. */
export function typed(value: string, unset: string, kind: 'text' | 'password' = 'text'): Widget {
  const node = el('input', { type: kind, value, placeholder: unset, class: 'cbi-input-text', autocomplete: 'off', spellcheck: 'false' });
  return { node, input: node, value: () => node.value.trim() };
}

export function lines(value: readonly string[], unset: string): Widget {
  const node = el('textarea', { class: 'cbi-input-textarea', placeholder: unset, spellcheck: 'false', rows: 3 }, value.join('\n'));
  return {
    node,
    input: node,
    value: () =>
      node.value
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== ''),
  };
}

export function ticked(isOn: boolean): Widget {
  const node = el('input', { type: 'checkbox', class: 'cbi-input-checkbox', checked: isOn });
  return { node, input: node, value: () => (node.checked ? '1' : '0') };
}

export function chosen(value: string, choices: readonly string[]): Widget {
  const options = choices.map((choice) => el('option', { value: choice, selected: choice === value }, choice));
  const node = el('select', { class: 'cbi-input-select' }, ...options);
  return { node, input: node, value: () => node.value };
}

/** `choices`: each with what it means. */
export function some(value: readonly string[], choices: readonly (readonly [choice: string, says: string])[]): Widget {
  const boxes = choices.map(([choice]) =>
    el('input', { type: 'checkbox', class: 'cbi-input-checkbox', value: choice, checked: value.includes(choice) }),
  );
  const node = el(
    'div',
    { role: 'group' },
    ...choices.map(([, says], i) => el('label', { class: 'weir-choice' }, boxes[i] ?? null, ` ${says}`)),
  );
  return { node, input: node, value: () => boxes.flatMap((box) => (box.checked ? [box.value] : [])) };
}

/** What is wrong first gets the attention, also where it is folded away. */
export function attend(place: Element): void {
  const first = place.querySelector<HTMLElement>('[aria-invalid=true]');
  first?.closest('details')?.setAttribute('open', '');
  first?.focus();
}

/** All of them, or null when one cannot be used: the first of these gets the attention. */
export function readAll<K extends string>(fields: Readonly<Record<K, Field>>): Readonly<Record<K, Value>> | null {
  const read = (Object.entries(fields) as [K, Field][]).map(([name, f]) => [name, f.read(), f.node] as const);
  const bad = read.find(([, value]) => value === null);
  if (bad !== undefined) attend(bad[2]);
  return bad === undefined ? (Object.fromEntries(read) as Readonly<Record<K, Value>>) : null;
}

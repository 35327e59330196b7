// What lies over the page until it is answered. Its title is ours alone: LuCI takes it for HTML.

import { button, el } from './element.ts';

/** Enter does what the button does. */
export const enters = (node: HTMLElement, act: HTMLButtonElement): void =>
  node.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target instanceof HTMLInputElement) act.click();
  });

/** `act`: what it is for. */
export function dialog(title: string, children: readonly Node[], act: HTMLButtonElement | null = null): void {
  const leave = button(act === null ? _('Close') : _('Cancel'), 'neutral', () => ui.hideModal(), { id: 'weir-leave' });
  const content = el('div', { class: 'weir' }, ...children, el('div', { class: 'right' }, leave, ' ', act));
  content.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') ui.hideModal();
  });
  if (act !== null) enters(content, act);
  ui.showModal(title, [content]);
  // What is only to be read is read from its beginning.
  (content.querySelector('input') ?? act ?? leave).focus({ preventScroll: act === null });
}

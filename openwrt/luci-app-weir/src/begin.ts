// From installed to shared: the owner's limits, his yes, a first friend. Nothing is shared before the yes, which goes to the enforcer.

import { text } from '../../../agent/core/result.ts';
import type { Section } from '../../../agent/core/settings.ts';
import { enters } from './dialog.ts';
import { alert, button, el, section, style } from './element.ts';
import { readAll } from './field.ts';
import * as invite from './invite.ts';
import * as option from './option.ts';
import { ask, config, save } from './router.ts';

const steps = (): readonly string[] => [_('1 Installed'), _('2 Limits and consent'), _('3 A first friend'), _('4 Done')];

const stepper = (current: number): HTMLElement =>
  el(
    'ol',
    { class: 'weir-steps' },
    ...steps().map((step, i) => el('li', { 'aria-current': i === current ? 'step' : null }, i < current ? `✓ ${step}` : step)),
  );

const asked = ['monthly_cap', 'reset_day', 'rate_down', 'rate_up', 'session_quota', 'sessions'] as const;

function consent(sections: readonly Section[], next: () => void): HTMLElement {
  const fields = Object.fromEntries(asked.map((name) => [name, option.fieldOf('limits', name, sections)]));
  const agreed = el('input', { type: 'checkbox', id: 'weir-agree', class: 'cbi-input-checkbox' });
  const trouble = el('div', { 'aria-live': 'assertive' });
  const share = async (): Promise<void> => {
    trouble.replaceChildren();
    const values = readAll(fields);
    if (values === null) return;
    if (!agreed.checked) {
      agreed.focus();
      return trouble.replaceChildren(alert('error', _('Nothing is shared without your yes: tick the box above.')));
    }
    const wrong = await save(sections, [{ section: 'limits', type: 'limits', options: new Map(Object.entries(values)) }]);
    if (wrong !== null) return trouble.replaceChildren(alert('error', text(wrong)));
    // The yes comes last: nobody is let in by halves.
    const ready = await ask('weir.enforcer', 'setup');
    const done = ready.ok ? await ask('weir.enforcer', 'share') : ready;
    if (done.ok) next();
    else trouble.replaceChildren(alert('error', text(done.fault)));
  };
  return el(
    'div',
    {},
    section(
      _('What you are about to do'),
      el(
        'ul',
        {},
        el('li', {}, _('Guests reach the Internet through your line, from your address. They never reach your own network.')),
        el('li', {}, _('What they do there comes from your address. Let in whom you trust, or whom a coordinator you trust vouches for.')),
        el('li', {}, _('Your provider may forbid sharing or count it: read its terms first.')),
        el('li', {}, _('The kernel holds each limit below, even when no process of Weir runs. You can stop everything at any moment.')),
      ),
    ),
    section(_('Your limits'), ...Object.values(fields).map(({ node }) => node)),
    section(
      _('Your yes'),
      el('p', {}, agreed, ' ', el('label', { for: 'weir-agree' }, _('I may share this line, and I want to, within these limits.'))),
      trouble,
      button(_('Begin sharing'), 'positive', share, { id: 'weir-share' }),
    ),
  );
}

export const page: View = {
  load: config,
  render(loaded: Awaited<ReturnType<typeof config>>) {
    const place = el('div');
    const show = (step: number, ...parts: readonly Node[]): void => place.replaceChildren(stepper(step), ...parts);
    const overview = el(
      'a',
      { class: 'btn cbi-button cbi-button-positive', href: L.url('admin/services/weir/overview') },
      _('To the overview'),
    );
    const done = (): void => show(3, section(_('Done'), el('p', {}, _('This router shares, within your limits.')), overview));
    const made = (shown: HTMLElement): void =>
      show(
        2,
        section(_('The configuration of your friend'), shown),
        el('div', { class: 'right' }, button(_('Done'), 'positive', done, { id: 'weir-done' })),
      );
    const friend = (): void => {
      const { node, act } = invite.form(made);
      enters(node, act);
      show(
        2,
        section(_('A first friend'), el('p', {}, _('Make a friend’s key and code here.')), node, act),
        section(
          _('Or a coordinator'),
          el('p', {}, _('Where a coordinator brings the guests, with the code that you have from it.')),
          el('a', { class: 'btn cbi-button', href: L.url('admin/services/weir/enrol') }, _('To the coordinators')),
          ' ',
          button(_('Not now'), 'neutral', done, { id: 'weir-later' }),
        ),
      );
    };
    if (!loaded.ok) show(1, alert('error', text(loaded.fault)));
    else if (loaded.value.find(({ name }) => name === 'share')?.options.get('accepted') === '1') friend();
    else show(1, consent(loaded.value, friend));
    return el('div', { class: 'weir' }, style(), el('h2', {}, _('Begin sharing')), place);
  },
  handleSave: null,
  handleSaveApply: null,
  handleReset: null,
};

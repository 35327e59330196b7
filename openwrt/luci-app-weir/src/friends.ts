// Friends: who there is, what they have left, more of it, and the end of it.

import * as amount from '../../../agent/core/amount.ts';
import { seconds } from '../../../agent/core/brand.ts';
import { text } from '../../../agent/core/result.ts';
import type { Session } from '../../../agent/wire/told.ts';
import * as told from '../../../agent/wire/told.ts';
import { alert, bar, button, el, renew, rows, section, style } from './element.ts';
import { readAll } from './field.ts';
import * as invite from './invite.ts';
import { ask } from './router.ts';

const close = (): HTMLElement =>
  el(
    'div',
    { class: 'right' },
    button(_('Close'), 'neutral', () => ui.hideModal(), { id: 'weir-close' }),
  );

function add(): void {
  ui.showModal(_('Add a friend'), [
    invite.form((made) => ui.showModal(_('The configuration of your friend'), [made, close()])),
    el(
      'div',
      { class: 'right' },
      button(_('Cancel'), 'neutral', () => ui.hideModal()),
    ),
  ]);
}

function topUp(name: string, done: () => Promise<void>): void {
  const fields = invite.moreFields();
  const trouble = el('div');
  const give = async (): Promise<void> => {
    const values = readAll(fields);
    if (values === null) return;
    const [quota, days] = [amount.parseSize(`${values.quota}`), amount.parseDays(`${values.days}`)];
    const answer = await ask('weir', 'friend_top_up', {
      name,
      ...(quota.ok && { quota: Number(quota.value) }),
      ...(days.ok && { seconds: days.value }),
    });
    if (!answer.ok) return trouble.replaceChildren(alert('error', invite.says(answer.fault)));
    ui.hideModal();
    await done();
  };
  ui.showModal(`${_('More for')} ${name}`, [
    el('div', { class: 'weir' }, fields.quota.node, fields.days.node, trouble),
    el(
      'div',
      { class: 'right' },
      button(_('Cancel'), 'neutral', () => ui.hideModal()),
      ' ',
      button(_('Add'), 'positive', give, { id: 'weir-give' }),
    ),
  ]);
}

function remove(name: string, done: () => Promise<void>): void {
  const trouble = el('div');
  const end = async (): Promise<void> => {
    const answer = await ask('weir', 'friend_remove', { name });
    if (!answer.ok) return trouble.replaceChildren(alert('error', text(answer.fault)));
    ui.hideModal();
    await done();
  };
  ui.showModal(`${_('Remove')} ${name}?`, [
    el('p', {}, _('The session ends at once, with a last receipt. The configuration your friend has is of no use any more.')),
    trouble,
    el(
      'div',
      { class: 'right' },
      button(_('Cancel'), 'neutral', () => ui.hideModal()),
      ' ',
      button(_('Remove'), 'negative', end, { id: 'weir-end' }),
    ),
  ]);
}

function rowOf(s: Session, done: () => Promise<void>): readonly (Node | string)[] {
  const name = s.name ?? '';
  const used = s.up + s.down;
  const shown = s.quota === null ? amount.renderSize(used) : `${amount.renderSize(used)} ${_('of')} ${amount.renderSize(s.quota)}`;
  return [
    name,
    s.reason === null ? s.condition : `${s.condition}: ${s.reason}`,
    el('div', {}, shown, s.quota === null ? null : bar(Number(used) / Number(s.quota), shown)),
    amount.renderSpan(seconds(s.seconds)),
    el(
      'span',
      {},
      button(_('More'), 'action', () => topUp(name, done), { id: `weir-more-${name}` }),
      button(_('Remove'), 'negative', () => remove(name, done), { id: `weir-remove-${name}` }),
    ),
  ];
}

export const page: View = {
  render() {
    const place = el('div');
    async function tick(): Promise<void> {
      const answer = await ask('weir', 'friend_list');
      const friends = answer.ok ? told.decodeSessions(answer.value) : answer;
      if (!friends.ok) renew(place, alert('error', text(friends.fault)));
      else if (friends.value.length === 0) renew(place, el('p', {}, _('No friends yet.')));
      else
        renew(
          place,
          rows(
            [_('Name'), _('State'), _('Used'), _('Ends after'), ''],
            friends.value.map((s) => rowOf(s, tick)),
          ),
        );
    }
    poll.add(tick, 5);
    return el(
      'div',
      { class: 'weir' },
      style(),
      el('h2', {}, _('Friends')),
      el('p', {}, _('People you let use your line, within what you give each of them. No coordinator is needed.')),
      el('div', { class: 'weir-row' }, button(_('Add a friend'), 'positive', add, { id: 'weir-add' })),
      section(_('Friends'), place),
    );
  },
  handleSave: null,
  handleSaveApply: null,
  handleReset: null,
};

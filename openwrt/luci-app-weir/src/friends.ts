// Friends: who there is, what they have left, more of it, and the end of it.

import * as amount from '../../../agent/core/amount.ts';
import { seconds } from '../../../agent/core/brand.ts';
import { text } from '../../../agent/core/result.ts';
import { hexOf } from '../../../agent/wire/form.ts';
import type { Session } from '../../../agent/wire/told.ts';
import * as told from '../../../agent/wire/told.ts';
import { dialog } from './dialog.ts';
import { alert, bar, button, el, renew, rows, section, style } from './element.ts';
import { readAll } from './field.ts';
import * as invite from './invite.ts';
import { ask } from './router.ts';
import * as words from './words.ts';

function add(): void {
  const { node, act } = invite.form((made) => dialog(_('The configuration of your friend'), [made]));
  dialog(_('Add a friend'), [node], act);
}

function topUp(name: string, done: () => Promise<void>): void {
  const fields = invite.moreFields();
  const trouble = el('div');
  const give = async (): Promise<void> => {
    const values = readAll(fields);
    if (values === null) return;
    const [quota, days] = [amount.parseSize(`${values.quota}`), amount.parseDays(`${values.days}`)];
    const asked = {
      name,
      nonce: hexOf(crypto.getRandomValues(new Uint8Array(16))),
      ...(quota.ok && { quota: Number(quota.value) }),
      ...(days.ok && { seconds: days.value }),
    };
    const first = await ask('weir', 'friend_top_up', asked);
    // Under the same nonce it is given once.
    const answer = !first.ok && first.fault.code === 'timeout' ? await ask('weir', 'friend_top_up', asked) : first;
    if (!answer.ok) return trouble.replaceChildren(alert('error', invite.says(answer.fault)));
    ui.hideModal();
    await done();
  };
  const act = button(_('Add'), 'positive', give, { id: 'weir-give' });
  dialog(_('More for a friend'), [el('p', {}, name), fields.quota.node, fields.days.node, trouble], act);
}

function remove(name: string, done: () => Promise<void>): void {
  const trouble = el('div');
  const end = async (): Promise<void> => {
    const answer = await ask('weir', 'friend_remove', { name });
    if (!answer.ok) return trouble.replaceChildren(alert('error', text(answer.fault)));
    ui.hideModal();
    await done();
  };
  const says = _('The session ends at once, with a last receipt. The configuration your friend has is of no use any more.');
  const act = button(_('Remove'), 'negative', end, { id: 'weir-end' });
  dialog(_('Remove a friend'), [el('p', {}, name), el('p', {}, says), trouble], act);
}

function rowOf(s: Session, done: () => Promise<void>): readonly (Node | string)[] {
  const name = s.name ?? '';
  const used = s.up + s.down;
  const shown = s.quota === null ? amount.renderSize(used) : `${amount.renderSize(used)} ${_('of')} ${amount.renderSize(s.quota)}`;
  return [
    name,
    words.state(s),
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

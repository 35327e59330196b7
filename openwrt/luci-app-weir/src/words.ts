// What the agent says in single words, in its owner's language. What is not known here is shown as it came.

import type { Ending } from '../../../agent/core/receipt.ts';
import type { Session as Condition } from '../../../agent/core/serving.ts';
import type { Session } from '../../../agent/wire/told.ts';

const conditions = (): Readonly<Record<Condition['kind'], string>> => ({
  waiting: _('waits to be let in'),
  open: _('is in'),
  throttled: _('is in, slowed down'),
  paused: _('is out for now'),
  draining: _('is ending'),
  closed: _('is over'),
});
const reasons = (): Readonly<Record<Ending, string>> => ({
  expired: _('the time was up'),
  spent: _('the quota is used up'),
  idle: _('nothing passed for long'),
  revoked: _('ended by whoever granted it'),
  owner: _('ended by the owner'),
  unwitnessed: _('receipts were not countersigned'),
  quarantined: _('its coordinator ended all of its sessions'),
  lost: _('its account was lost'),
});
const links = (): Readonly<Record<string, string>> => ({
  asking: _('begins'),
  alone: _('no broker is set'),
  resolving: _('connects'),
  connecting: _('connects'),
  connected: _('connected'),
  moving: _('moves to another broker'),
  resting: _('waits for its next try'),
});

const one = (known: Readonly<Record<string, string>>, word: string): string => (Object.hasOwn(known, word) ? (known[word] ?? word) : word);

export const link = (word: string): string => one(links(), word);

export const state = ({ condition, reason }: Session): string =>
  reason === null ? one(conditions(), condition) : `${one(conditions(), condition)}: ${one(reasons(), reason)}`;

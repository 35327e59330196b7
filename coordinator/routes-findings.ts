// What is disputed, what was found against nodes, and what nobody known has signed.

import { ok } from '../agent/core/result.ts';
import * as cose from '../agent/wire/cose.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import * as book from './book.ts';
import * as paging from './paging.ts';
import type { Route } from './route.ts';
import { done, list, missing, parties, route, viewers } from './route.ts';
import * as shape from './shape.ts';

export const findings: readonly Route[] = [
  list({
    at: '/disputes',
    rule: viewers,
    says: 'With both figures, the newest first.',
    of: 'disputes',
    holds: 'digest, session, sequence, reason, told_up, told_down (the node’s), own_up, own_down (the consumer’s), arrived, decided',
    list: () => ({
      sql: 'select digest, session, sequence, reason, told_up, told_down, own_up, own_down, arrived, decided from dispute',
      by: { arrived: paging.whole, digest: paging.words },
      isNewestFirst: true,
    }),
  }),
  route({
    method: 'POST',
    at: '/disputes',
    rule: parties,
    says: 'A dispute, as the session’s consumer has signed it. Its signature alone says whose it is.',
    answers: 'nothing',
    body: { message: shape.text(/^([0-9a-f]{2}){64,1024}$/, 'a signed message in hex') },
    handle: async ({ query, now }, { body: { message } }) => {
      const signed = cose.decode(bytesOf(message));
      const taken = signed.ok ? await book.takeDispute(query, signed.value, now) : signed;
      return taken.ok ? done : taken;
    },
  }),
  list({
    at: '/findings',
    rule: viewers,
    says: 'What nodes signed and should not have, the newest first.',
    of: 'findings',
    holds: 'id, node, node_name, session, code, path, reason, at',
    list: () => ({
      sql: `select id, node, (select name from node where id = finding.node) as node_name, session, code, path, reason, at from finding`,
      by: { id: paging.whole },
      isNewestFirst: true,
    }),
  }),
  route({
    method: 'GET',
    at: '/findings/{id}/evidence',
    rule: viewers,
    says: 'The messages that show it, for scripts/verify.',
    answers: 'text',
    path: { id: shape.whole(1, Number.MAX_SAFE_INTEGER) },
    handle: async ({ query, authority }, { path: { id } }) => {
      const [row] = await query<{ birth: Uint8Array | null; evidence: string }>(
        'select birth, evidence from finding left join node on node.id = finding.node where finding.id = $1',
        [id],
      );
      if (row === undefined) return missing('finding');
      // The keys that the messages are signed with, so that whoever reads them needs the root's alone.
      const keys = [...(row.birth === null ? [] : [row.birth]), ...authority.signed];
      return ok(keys.map((bytes) => `${hexOf(bytes)}\n`).join('') + row.evidence);
    },
  }),
  list({
    at: '/refusals',
    rule: viewers,
    says: 'Messages that nobody known has signed, counted.',
    of: 'refusals',
    holds: 'node (as the topic names it), code, path, count, last',
    list: () => ({ sql: 'select * from refusal', by: { node: paging.words, code: paging.words, path: paging.words } }),
  }),
];

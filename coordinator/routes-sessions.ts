// Offers, and the sessions that were granted by them: opened, changed, topped up, ended, decided over.

import type { ByteCount, PublicKey, Seconds } from '../agent/core/brand.ts';
import { seconds } from '../agent/core/brand.ts';
import type { Grant, Micro } from '../agent/core/grant.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';
import type { PeerKey } from '../agent/core/seat.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import * as book from './book.ts';
import * as access from './core/access.ts';
import * as credit from './credit.ts';
import * as orders from './orders.ts';
import * as paging from './paging.ts';
import type { Query, Row } from './ports/database.ts';
import * as registry from './registry.ts';
import type { Answer, Route, Tools } from './route.ts';
import {
  admins,
  amount,
  bitRate,
  done,
  fromOf,
  list,
  missing,
  nodeOfOwn,
  operatingParties,
  operators,
  parties,
  route,
  span,
} from './route.ts';
import * as shape from './shape.ts';

const session = { session: shape.session };
const bytes = shape.whole(1, Number.MAX_SAFE_INTEGER);

/** A node's name is its operators' alone. */
const columnsFor = ({
  kind,
}: access.Who): string => `id, node, consumer, opened, condition, head as receipts, agreed, up, down, due, currency,
  final, broken, exists (select 1 from receipt where session = session.id and standing = 'waiting') as gap,
  (select name from consumer where id = session.consumer) as consumer_name,
  ${kind === 'operator' ? '(select name from node where id = session.node)' : 'null'} as node_name`;

export const sessions: readonly Route[] = [
  list({
    at: '/offers',
    rule: parties,
    says: 'At which terms a consumer gets what it asks for.',
    of: 'offers',
    holds:
      'name, fleet, micro (millionths of a unit for a MiB), currency, rate_up, rate_down (bit/s), most_bytes, most_seconds, credit (bytes)',
    list: () => ({ sql: 'select * from offer', by: { name: paging.words } }),
  }),
  route({
    method: 'PUT',
    at: '/offers/{name}',
    rule: admins,
    says: 'An offer; sessions that were granted by it before stay as they are.',
    answers: 'nothing',
    path: { name: shape.name },
    body: {
      fleet: shape.maybe(shape.name),
      micro: shape.whole(0, 2 ** 32 - 1),
      currency: shape.currency,
      rate_up: bitRate,
      rate_down: bitRate,
      most_bytes: bytes,
      most_seconds: span,
      credit: bytes,
    },
    handle: async ({ query }, { path: { name }, body: b }) => {
      await query('delete from offer where name = $1', [name]);
      await query('insert into offer values ($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
        name,
        b.fleet ?? '',
        b.micro,
        b.currency,
        b.rate_up,
        b.rate_down,
        b.most_bytes,
        b.most_seconds,
        b.credit,
      ]);
      return done;
    },
  }),
  list({
    at: '/sessions',
    rule: parties,
    says: 'The newest first; of a consumer, its own.',
    of: 'sessions',
    holds:
      'id, node, node_name (for operators), consumer, consumer_name, opened, condition (asked, open, refused), receipts, agreed (up to this receipt), up, down, due, currency, final, broken (why nothing more is billed), gap (a receipt is missing)',
    search: {
      node: shape.maybe(shape.node),
      consumer: shape.maybe(shape.text(/^[A-Za-z0-9+/=]{44,64}$/, 'a consumer’s key')),
      open: shape.maybe(shape.choice(['true'])),
    },
    list: ({ who }, { search: { node, consumer, open } }) => ({
      sql: `select ${columnsFor(who)} from session where ($1::text is null or node = $1) and ($2::text is null or consumer = $2)
        and ($3::text is null or (condition = 'open' and final is null))`,
      fields: [node, who.kind === 'consumer' ? who.id : consumer, open],
      by: { opened: paging.whole, id: paging.words },
      isNewestFirst: true,
    }),
  }),
  route({
    method: 'POST',
    at: '/sessions',
    rule: operatingParties,
    says: 'A session at an offer’s terms. An operator names the consumer’s key, or none for a stock WireGuard app, which cannot countersign; a consumer that asks for one says so.',
    answers: 'session: its id; ask for it until `condition` is open',
    body: {
      offer: shape.name,
      node: shape.maybe(shape.node),
      consumer: shape.maybe(shape.key),
      countersign: shape.maybe(shape.truth),
      peer: shape.peer,
      bytes,
      seconds: span,
    },
    handle: (tools, { body }) => open(tools, body),
  }),
  route({
    method: 'GET',
    at: '/sessions/{session}',
    rule: parties,
    says: 'One session.',
    answers:
      'as in the list; and outcome: what the node answered, with the consumer’s addresses in the tunnel; tunnel: where to call; grant: the terms in force; vouched_up, vouched_down: bytes that its consumer signed between receipts; disputes: the newest 100',
    path: session,
    handle: async ({ query, who }, { path: { session } }) => {
      const [row] = await query<Row & { node: KeyId; consumer: string }>(`select ${columnsFor(who)} from session where id = $1`, [session]);
      if (row === undefined || !access.owns(who, row.consumer)) return missing('session');
      const [asked] = await query<{ outcome: string | null }>(`select outcome from command where session = $1 and order_kind = 'open'`, [
        session,
      ]);
      const [node] = await query<{ birth: Uint8Array | null }>('select birth from node where id = $1', [row.node]);
      const disputes = await query(
        `select sequence, reason, told_up, told_down, own_up, own_down, arrived, decided from dispute where session = $1
         order by arrived desc, digest limit 100`,
        [session],
      );
      const [vouched] = await query<{ up: bigint; down: bigint }>('select up, down from voucher where session = $1', [session]);
      const birth = node?.birth ?? null;
      const grant = await orders.termsOf(query, session);
      return ok({
        ...row,
        outcome: asked?.outcome ?? null,
        tunnel: birth === null ? null : registry.rereadBirth(birth).tunnel,
        grant: grant === null ? null : shown(grant),
        vouched_up: vouched?.up ?? null,
        vouched_down: vouched?.down ?? null,
        disputes,
      });
    },
  }),
  route({
    method: 'GET',
    at: '/sessions/{session}/evidence',
    rule: parties,
    says: 'Everything that was signed about it, a message in hex on each line: what scripts/verify checks, and scripts/consumer takes as its grant.',
    answers: 'text',
    path: session,
    handle: async (tools, { path: { session } }) => {
      const node = await nodeOfOwn(tools, session);
      const text = node.ok ? await orders.evidence(tools.query, session, tools.authority) : null;
      return text === null ? missing('session') : ok(text);
    },
  }),
  list({
    at: '/sessions/{session}/receipts',
    rule: parties,
    says: 'Its receipts, the newest first.',
    of: 'receipts',
    holds: 'sequence, digest, witnessed, standing (accepted, waiting, evidence), arrived, up, down, due, left, final',
    path: session,
    allow: (tools, { path: { session } }) => nodeOfOwn(tools, session),
    list: (_, { path: { session } }) => ({
      sql: 'select sequence, digest, witnessed, standing, arrived, bytes from receipt where session = $1',
      fields: [session],
      by: { sequence: paging.whole, digest: paging.words },
      isNewestFirst: true,
    }),
    show({ bytes, ...rest }) {
      const { counted, due, left, final } = book.rereadReceipt(bytes as Uint8Array);
      return { ...rest, up: counted.up, down: counted.down, due: due?.amount ?? null, left, final };
    },
  }),
  route({
    method: 'POST',
    at: '/sessions/{session}/top-up',
    rule: operatingParties,
    says: 'So much more of it. A consumer buys it as a session is bought: at the offer, while that has the same price.',
    answers: 'nothing',
    path: session,
    body: { bytes: amount, seconds: shape.whole(0, 10 * 365 * 86_400) },
    handle: async (tools, { path: { session }, body: { bytes, seconds } }) => {
      const node = await nodeOfOwn(tools, session);
      if (!node.ok) return node;
      const offered = tools.who.kind === 'consumer' ? await isOffered(tools, tools.who.id, session, { bytes, seconds }) : done;
      if (!offered.ok) return offered;
      const added = await orders.topUp(tools.query, session, { bytes: BigInt(bytes), seconds }, tools.authority, fromOf(tools));
      if (!added.ok) return added;
      tools.nudge(node.value);
      return done;
    },
  }),
  route({
    method: 'POST',
    at: '/sessions/{session}/change',
    rule: operators,
    says: 'Other terms from now on: the quota in all, the rates, the time from now. What is not named stays; price and parties cannot change.',
    answers: 'nothing',
    path: session,
    body: { bytes: shape.maybe(bytes), rate_up: shape.maybe(bitRate), rate_down: shape.maybe(bitRate), seconds: shape.maybe(span) },
    handle: async (tools, { path: { session }, body }) => {
      const node = await nodeOfOwn(tools, session);
      if (!node.ok) return node;
      const changed = await orders.change(tools.query, session, body, tools.authority, fromOf(tools));
      if (!changed.ok) return changed;
      tools.nudge(node.value);
      return done;
    },
  }),
  route({
    method: 'DELETE',
    at: '/sessions/{session}',
    rule: operatingParties,
    says: 'Ends it.',
    answers: 'nothing',
    path: session,
    handle: async (tools, { path: { session } }) => {
      const node = await nodeOfOwn(tools, session);
      if (!node.ok) return node;
      const closed = await orders.close(tools.query, session, fromOf(tools));
      if (!closed.ok) return closed;
      tools.nudge(node.value);
      return done;
    },
  }),
  route({
    method: 'POST',
    at: '/sessions/{session}/decision',
    rule: admins,
    says: 'Gives what is held to the one or the other. Nothing is decided twice.',
    answers: 'nothing',
    path: session,
    body: { to: shape.choice(['node', 'consumer']) },
    handle: async ({ query, now }, { path: { session }, body: { to } }) => {
      const decided = await book.decide(query, session, to, now);
      return decided.ok ? done : decided;
    },
  }),
];

const shown = ({ quota, rate, lifetime, until, witness, credit, price, revision }: Grant): object => ({
  quota,
  rate,
  lifetime,
  until,
  witness,
  credit,
  price,
  revision,
});

type Asked = Readonly<{
  offer: string;
  node: KeyId | null;
  consumer: PublicKey | null;
  countersign: boolean | null;
  peer: PeerKey;
  bytes: number;
  seconds: number;
}>;
type Offer = Readonly<
  Record<'micro' | 'rate_up' | 'rate_down' | 'most_bytes' | 'most_seconds' | 'credit', bigint> & { fleet: string; currency: string }
>;

async function offerOf(query: Query, name: string | null, { bytes, seconds }: Pick<Asked, 'bytes' | 'seconds'>): Promise<Result<Offer>> {
  const [offer] = await query<Offer>('select * from offer where name = $1', [name]);
  if (offer === undefined) return missing('offer');
  if (BigInt(bytes) > offer.most_bytes) return fail('denied', 'bytes', `at most ${offer.most_bytes}`);
  if (BigInt(seconds) > offer.most_seconds) return fail('denied', 'seconds', `at most ${offer.most_seconds}`);
  return ok(offer);
}

const priceOf = ({ micro, currency }: Offer): Grant['price'] => (micro === 0n ? null : { micro: micro as Micro, currency });

/** Else a session that began cheaply would never have to end. */
async function isOffered(
  { query, now }: Tools,
  consumer: string,
  session: SessionId,
  more: Pick<Asked, 'bytes' | 'seconds'>,
): Promise<Result<unknown>> {
  const [row] = await query<{ offer: string | null }>('select offer from session where id = $1', [session]);
  const offer = await offerOf(query, row?.offer ?? null, more);
  if (!offer.ok) return offer;
  const [first] = await book.grantsOf(query, session);
  const [was, is] = [first?.price ?? null, priceOf(offer.value)];
  if (was?.micro !== is?.micro || was?.currency !== is?.currency) return fail('stale', 'offer', 'has another price by now');
  return credit.allows(query, consumer, is, BigInt(more.bytes), now);
}

async function open(tools: Tools, asked: Asked): Promise<Result<Answer>> {
  const { query, who } = tools;
  const found = await offerOf(query, asked.offer, asked);
  if (!found.ok) return found;
  const offer = found.value;
  if (who.kind === 'consumer' && asked.consumer !== null) return fail('denied', 'consumer', 'is who asks');
  const price = priceOf(offer);
  const lent = who.kind === 'consumer' ? await credit.allows(query, who.id, price, BigInt(asked.bytes), tools.now) : done;
  if (!lent.ok) return lent;
  const payer = who.kind === 'consumer' ? (bytesOf(who.id) as PublicKey) : asked.consumer;
  const consumer = asked.countersign === false ? null : payer;
  // Of those that are there, the one with the fewest sessions.
  const [chosen] = await query<{ id: KeyId; fleet: string }>(
    `select id, fleet from node where standing = 'active' and fleet = $1 and birth is not null and ($2::text is null or id = $2)
     order by here desc, (select count(*) from session where node = node.id and final is null), id limit 1`,
    [offer.fleet, asked.node],
  );
  if (chosen === undefined) return fail('missing', 'node', 'none is there for this offer');
  const wanted: orders.Wanted = {
    node: chosen.id,
    peer: asked.peer,
    consumer,
    quota: { kind: 'shared', bytes: BigInt(asked.bytes) },
    rate: { up: offer.rate_up, down: offer.rate_down },
    throttle: null,
    egress: { kind: 'internet' },
    lifetime: seconds(asked.seconds),
    until: (tools.now + asked.seconds) as Seconds,
    idle: null,
    witness: consumer === null ? 'none' : 'required',
    credit: consumer === null ? null : (offer.credit as ByteCount),
    price,
  };
  const owner = payer === null ? asked.peer : hexOf(payer);
  const opened = await orders.open(query, wanted, tools.authority, { ...fromOf(tools), owner, offer: asked.offer });
  if (!opened.ok) return opened;
  tools.nudge(chosen.id);
  return ok({ session: opened.value, node: chosen.id });
}

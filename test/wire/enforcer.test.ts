import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import { fail, fault, ok } from '../../agent/core/result.ts';
import type { Generation, PeerKey, Slot } from '../../agent/core/seat.ts';
import type { Gone, Row, Seated } from '../../agent/core/session.ts';
import { reasons } from '../../agent/core/session.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { Asked, Method, Page } from '../../agent/wire/enforcer.ts';
import * as enforcer from '../../agent/wire/enforcer.ts';

const { int32, int64, string, nested, array, table } = blobmsg;
const key = 'A'.repeat(43).concat('=') as PeerKey;

/** As it comes over the bus. */
function sent(t: Table): Table {
  const encoded = blobmsg.encode(t);
  if (!encoded.ok) throw new Error(encoded.fault.reason);
  const decoded = blobmsg.decode(encoded.value);
  if (!decoded.ok) throw new Error(decoded.fault.reason);
  return decoded.value;
}

const hop = (more: Record<string, Value> = {}): Value =>
  nested(table({ hop: nested(table({ address: string('1.2.3.4'), protocol: string('udp'), port: int32(9), ...more })) }));
const flow = (more: Record<string, Value> = {}): Value =>
  nested(table({ address: string('1.2.3.0'), length: int32(24), protocol: string('tcp'), first: int32(1), last: int32(9), ...more }));
const list = (...flows: Value[]): Value => nested(table({ list: array(flows) }));
const plain: Readonly<Record<string, Value>> = {
  key: string(key),
  quota: int64(5n << 32n),
  rate_up: int32(8000),
  rate_down: int64(9000n),
  seconds: int32(60),
  egress: string('internet'),
};
const without = (...names: string[]): Readonly<Record<string, Value>> =>
  Object.fromEntries(Object.entries(plain).filter(([n]) => !names.includes(n)));
const wanted: Asked['admit'] = {
  key,
  quota: { kind: 'shared', bytes: 5n << 32n },
  rate: { up: 8000n, down: 9000n },
  throttle: null,
  egress: { kind: 'internet' },
  seconds: 60n,
  used: { up: 0n, down: 0n },
  packets: { up: 0n, down: 0n },
};

const requests = suite('asked');
const read: readonly (readonly [name: string, change: Record<string, Value>, want: Partial<Asked['admit']>])[] = [
  ['the least', {}, {}],
  ['a split quota', { quota: nested(table({ up: int32(1), down: int64(2n) })) }, { quota: { kind: 'split', up: 1n, down: 2n } }],
  ['a throttle', { throttle_up: int32(1), throttle_down: int32(2) }, { throttle: { up: 1n, down: 2n } }],
  ['what was used', { used_up: int64(1n << 40n), used_down: int32(0) }, { used: { up: 1n << 40n, down: 0n } }],
  [
    'packets that came before',
    { used_packets_up: int64(1n << 40n), used_packets_down: int32(7) },
    { packets: { up: 1n << 40n, down: 7n } },
  ],
  ['the slot it had before', { slot: int32(7) }, { slot: 7 }],
  ['a hop', { egress: hop() }, { egress: { kind: 'hop', address: '1.2.3.4', protocol: 'udp', port: 9 } }],
  [
    'a list',
    { egress: list(flow(), flow({ first: int32(2) })) },
    {
      egress: {
        kind: 'list',
        flows: [
          { address: '1.2.3.0', length: 24, protocol: 'tcp', ports: { first: 1, last: 9 } },
          { address: '1.2.3.0', length: 24, protocol: 'tcp', ports: { first: 2, last: 9 } },
        ],
      },
    },
  ],
  [
    'no meaning is judged here',
    { quota: int32(-1), seconds: int64(-(1n << 63n)), key: string('') },
    { quota: { kind: 'shared', bytes: -1n }, seconds: -(1n << 63n), key: '' },
  ],
];
for (const [name, change, want] of read)
  requests(name, () => {
    const decoded = enforcer.decodeAsked('admit', sent(table({ ...plain, ...change })));
    assert.equal(decoded, ok({ isBatch: false, items: [ok({ ...wanted, ...want })] }));
    const again = enforcer.encodeAsked('admit', { isBatch: false, items: [{ ...wanted, ...want }] });
    assert.equal(enforcer.decodeAsked('admit', sent(again)), decoded);
  });
const others: { readonly [M in Exclude<Method, 'admit'>]: Asked[M] } = {
  renew: { key, seconds: 5n },
  change: { key, quota: wanted.quota, rate: wanted.rate, throttle: { up: 1n, down: 2n }, egress: wanted.egress },
  evict: { key },
};
for (const method of ['renew', 'change', 'evict'] as const)
  requests(`${method}: one and a batch, there and back`, () => {
    const item = others[method];
    for (const isBatch of [true, false]) {
      const t = sent(enforcer.encodeAsked(method, { isBatch, items: isBatch ? [item, item] : [item] }));
      assert.equal(enforcer.decodeAsked(method, t), ok({ isBatch, items: isBatch ? [ok(item), ok(item)] : [ok(item)] }));
    }
  });
const batchOf = (n: number): Table => table({ sessions: array(Array.from({ length: n }, () => nested(table({ key: string(key) })))) });
requests('64 at a time', () => {
  const batch = enforcer.decodeAsked('evict', sent(batchOf(64)));
  assert.is(batch.ok && batch.value.items.length, 64);
});
requests('one bad of three', () => {
  const batch = enforcer.decodeAsked(
    'evict',
    sent(table({ sessions: array([nested(table({ key: string(key) })), int32(1), nested([])]) })),
  );
  assert.equal(batch.ok && batch.value.items.map((i) => (i.ok ? '' : `${i.fault.code} ${i.fault.path}`)), [
    '',
    'malformed ',
    'missing key',
  ]);
});
requests.run();

const refused = suite('asked wrongly');
const twice = (name: string): Table => [...table(plain), { name, value: int32(1) }];
const bad: readonly (readonly [name: string, method: Method, t: Table, code: string, path: string])[] = [
  ['nothing', 'admit', [], 'missing', 'key'],
  ['no key', 'admit', table(without('key')), 'missing', 'key'],
  ['a key of bytes', 'admit', table({ ...plain, key: { kind: 'string', value: Uint8Array.of(255) } }), 'malformed', 'key'],
  ['no quota', 'admit', table(without('quota')), 'missing', 'quota'],
  ['a quota in words', 'admit', table({ ...plain, quota: string('5 GB') }), 'malformed', 'quota'],
  ['a quota and a half', 'admit', table({ ...plain, quota: blobmsg.double(1.5) }), 'malformed', 'quota'],
  ['half a split quota', 'admit', table({ ...plain, quota: nested(table({ up: int32(1) })) }), 'missing', 'quota.down'],
  [
    'a third direction',
    'admit',
    table({ ...plain, quota: nested(table({ up: int32(1), down: int32(1), left: int32(1) })) }),
    'unsupported',
    'quota.left',
  ],
  ['two quotas', 'admit', twice('quota'), 'malformed', 'quota'],
  ['no rate', 'admit', table(without('rate_up')), 'missing', 'rate_up'],
  ['half a throttle', 'admit', table({ ...plain, throttle_up: int32(1) }), 'missing', 'throttle_down'],
  ['half of what was used', 'admit', table({ ...plain, used_down: int32(1) }), 'missing', 'used_up'],
  ['no egress', 'admit', table(without('egress')), 'missing', 'egress'],
  ['some egress', 'admit', table({ ...plain, egress: string('lan') }), 'malformed', 'egress'],
  ['an empty egress', 'admit', table({ ...plain, egress: nested([]) }), 'malformed', 'egress'],
  ['two ways out', 'admit', table({ ...plain, egress: nested(table({ hop: nested([]), list: array([]) })) }), 'malformed', 'egress'],
  ['a hop that is a list', 'admit', table({ ...plain, egress: nested(table({ hop: array([]) })) }), 'malformed', 'egress'],
  [
    'a hop without a port',
    'admit',
    table({ ...plain, egress: nested(table({ hop: nested(table({ address: string('a'), protocol: string('udp') })) })) }),
    'missing',
    'egress.hop.port',
  ],
  ['a hop with more', 'admit', table({ ...plain, egress: hop({ mark: int32(1) }) }), 'unsupported', 'egress.hop.mark'],
  ['a protocol without ports', 'admit', table({ ...plain, egress: hop({ protocol: string('icmp') }) }), 'malformed', 'egress.hop.protocol'],
  ['a port beyond numbers', 'admit', table({ ...plain, egress: hop({ port: int64(1n << 60n) }) }), 'limit', 'egress.hop.port'],
  ['a flow in words', 'admit', table({ ...plain, egress: list(flow(), string('any')) }), 'malformed', 'egress.list.1'],
  ['a flow with more', 'admit', table({ ...plain, egress: list(flow({ port: int32(1) })) }), 'unsupported', 'egress.list.0.port'],
  [
    'a flow without an end',
    'admit',
    table({ ...plain, egress: list(nested(table({ address: string('a'), length: int32(1), protocol: string('tcp'), first: int32(1) }))) }),
    'missing',
    'egress.list.0.last',
  ],
  ['a misspelt field', 'admit', table({ ...plain, trottle_up: int32(1) }), 'unsupported', 'trottle_up'],
  ['a name not worth repeating', 'admit', table({ ...plain, ['x'.repeat(33)]: int32(1) }), 'unsupported', ''],
  ['a wish with a renewal', 'renew', table({ key: string(key), seconds: int32(1), quota: int32(1) }), 'unsupported', 'quota'],
  ['an end with a change', 'change', table(plain), 'unsupported', 'seconds'],
  ['anything with an eviction', 'evict', table({ key: string(key), now: blobmsg.boolean(true) }), 'unsupported', 'now'],
];
for (const [name, method, t, code, path] of bad)
  refused(name, () => {
    const decoded = enforcer.decodeAsked(method, sent(t));
    assert.ok(decoded.ok);
    const items = decoded.ok ? decoded.value.items : [];
    assert.equal(
      items.map((i) => (i.ok ? [] : [i.fault.code, i.fault.path])),
      [[code, path]],
    );
  });
const batches: readonly (readonly [name: string, t: Table, code: string, path: string])[] = [
  ['an empty batch', batchOf(0), 'limit', 'sessions'],
  ['65 at a time', batchOf(65), 'limit', 'sessions'],
  ['a batch and one', [...batchOf(1), ...table({ key: string(key) })], 'unsupported', 'key'],
  ['a batch that is a table', table({ sessions: nested([]) }), 'malformed', 'sessions'],
  ['two batches', [...batchOf(1), ...batchOf(1)], 'malformed', 'sessions'],
];
for (const [name, t, code, path] of batches)
  refused(name, () => {
    const decoded = enforcer.decodeAsked('evict', sent(t));
    assert.equal(decoded.ok ? [] : [decoded.fault.code, decoded.fault.path], [code, path]);
  });
refused('every truncation, without throwing', () => {
  const whole = blobmsg.encode(table({ ...plain, egress: list(flow()) }));
  assert.ok(whole.ok);
  if (!whole.ok) return;
  for (let n = 0; n < whole.value.length; n++) {
    const cut = blobmsg.decode(whole.value.subarray(0, n));
    const decoded = cut.ok ? enforcer.decodeAsked('admit', cut.value) : cut;
    assert.ok(!decoded.ok || decoded.value.items.every((i) => !i.ok), `${n} bytes`);
  }
});
refused.run();

const answers = suite('answered');
const generation = 0xdead_beef as Generation;
const seat: Seated = { key, slot: 7 as Slot, generation, address4: '10.213.0.7', address6: 'fd00::7' };
const gone: Gone = {
  key,
  slot: 7 as Slot,
  generation,
  counted: { up: ((1n << 63n) - 1n) as ByteCount, down: 0n as ByteCount },
  packets: { up: 1n << 40n, down: 3n },
  gap: { up: 4n as ByteCount, down: 5n as ByteCount },
};
answers('a seat', () => {
  const t = sent(enforcer.encodeAnswers('admit', { isBatch: false, items: [ok(seat)] }));
  assert.equal(
    t,
    table({ key: string(key), slot: int32(7), generation: int32(-559038737), address4: string('10.213.0.7'), address6: string('fd00::7') }),
  );
  assert.equal(enforcer.decodeAnswers('admit', t), ok({ isBatch: false, items: [ok(seat)] }));
});
answers('an eviction', () => {
  const t = sent(enforcer.encodeAnswers('evict', { isBatch: true, items: [ok(gone)] }));
  assert.equal(enforcer.decodeAnswers('evict', t), ok({ isBatch: true, items: [ok(gone)] }));
});
answers('a Fault says where it was in the request', () => {
  const items = [ok(seat), fail('denied', 'rate_up', 'at most 8 bit/s')];
  const batch = enforcer.decodeAnswers('renew', sent(enforcer.encodeAnswers('renew', { isBatch: true, items })));
  assert.equal(batch, ok({ isBatch: true, items: [ok(seat), fail('denied', 'sessions.1.rate_up', 'at most 8 bit/s')] }));
  const one = enforcer.decodeAnswers('renew', sent(enforcer.encodeAnswers('renew', { isBatch: false, items: items.slice(1) })));
  assert.equal(one, ok({ isBatch: false, items: items.slice(1) }));
});
const figures: Readonly<Record<string, Value>> = Object.fromEntries(
  ['up', 'down', 'packets_up', 'packets_down', 'gap_up', 'gap_down'].map((name) => [name, int32(0)]),
);
for (const [name, t, code, path] of [
  ['no slot', table({ key: string(key), generation: int32(1), ...figures }), 'missing', 'slot'],
  ['no packets', table({ key: string(key), slot: int32(1), generation: int32(1), up: int32(0), down: int32(0) }), 'missing', 'packets_up'],
  ['less than nothing', table({ key: string(key), slot: int32(1), generation: int32(1), ...figures, up: int32(-1) }), 'malformed', 'up'],
  ['a Fault of no form', table({ fault: string('no') }), 'malformed', 'fault'],
  ['a Fault without a reason', table({ fault: nested(table({ code: string('limit'), path: string('') })) }), 'missing', 'reason'],
] satisfies [string, Table, string, string][])
  answers(`not: ${name}`, () => {
    const decoded = enforcer.decodeAnswers('evict', sent(t));
    assert.equal(decoded.ok && decoded.value.items.map((i) => (i.ok ? [] : [i.fault.code, i.fault.path])), [[code, path]]);
  });
answers.run();

const reading = suite('read');
const row = (slot: number, more: Partial<Row> = {}): Row => ({
  slot: slot as Slot,
  generation,
  key,
  counted: { up: (1n << 53n) as ByteCount, down: ((1n << 53n) + 1n) as ByteCount },
  packets: { up: 1n << 41n, down: 9n },
  gap: { up: 10n as ByteCount, down: 0n as ByteCount },
  quota: { kind: 'shared', bytes: 1n << 60n },
  left: millis(31_536_000_000),
  handshake: seconds(1_800_000_000),
  endpoint: '[2001:db8::1]:51820',
  tunnel: { up: 5n as ByteCount, down: 6n as ByteCount },
  ...more,
});
const pages: readonly (readonly [name: string, page: Page])[] = [
  ['nobody', { rows: [], next: null, gone: [], faults: [] }],
  ['who is gone', { rows: [], next: null, gone: reasons.map((why) => ({ ...gone, why })), faults: [] }],
  ['somebody', { rows: [row(1)], next: 2 as Slot, gone: [], faults: [] }],
  [
    'rules without a peer',
    { rows: [row(1, { key: null, handshake: null, endpoint: null, left: millis(0) })], next: null, gone: [], faults: [] },
  ],
  ['a split quota', { rows: [row(1, { quota: { kind: 'split', up: 1n, down: 2n } })], next: null, gone: [], faults: [] }],
  ['faults', { rows: [], next: null, gone: [], faults: [fault('EPERM', 'nft', 'no'), fault('timeout', '', 'late')] }],
];
for (const [name, page] of pages) reading(name, () => assert.equal(enforcer.decodePage(sent(enforcer.encodePage(page))), ok(page)));
const spans: readonly (readonly [name: string, t: Table, want: readonly [number, number] | readonly [string, string]])[] = [
  ['all', [], [1, 256]],
  ['some', table({ from: int32(5), most: int64(7n) }), [5, 7]],
  ['the most', table({ most: int32(256) }), [1, 256]],
  ['too many', table({ most: int32(257) }), ['limit', 'most']],
  ['none', table({ most: int32(0) }), ['limit', 'most']],
  ['slot 0', table({ from: int32(0) }), ['malformed', 'from']],
  ['a word', table({ from: string('1') }), ['malformed', 'from']],
  ['more', table({ form: int32(1) }), ['unsupported', 'form']],
];
for (const [name, t, want] of spans)
  reading(`asks for ${name}`, () => {
    const span = enforcer.decodeSpan(sent(t));
    assert.equal(span.ok ? [span.value.from, span.value.most] : [span.fault.code, span.fault.path], want);
    if (span.ok) assert.equal(enforcer.decodeSpan(sent(enforcer.encodeSpan(span.value))), span);
  });
reading('a reason that there is not', () => {
  const page = enforcer.encodePage({ rows: [], next: null, gone: [{ ...gone, why: 'bored' as 'asked' }], faults: [] });
  const decoded = enforcer.decodePage(sent(page));
  assert.equal(decoded.ok ? [] : [decoded.fault.code, decoded.fault.path], ['malformed', 'gone.0.why']);
});
reading('who is gone is on the first page alone', () => {
  const all = { rows: [1, 2].map((n) => row(n)), gone: [{ ...gone, why: 'owner' as const }], faults: [] };
  const pages = [1, 2].map((from) => enforcer.pageOf(all, { from: from as Slot, most: 1 }));
  assert.equal(
    pages.map((page) => page.gone.length),
    [1, 0],
  );
});
reading('page by page, each session once, in the order of slots', () => {
  const all = [9, 2, 700, 30, 31, 1].map((n) => row(n));
  const seen: number[] = [];
  let from: Slot | null = 1 as Slot;
  for (let pages = 0; from !== null && pages < 10; pages++) {
    const page = enforcer.pageOf({ rows: all, gone: [], faults: [] }, { from, most: 2 });
    seen.push(...page.rows.map((r) => r.slot));
    from = page.next;
  }
  assert.equal(seen, [1, 2, 9, 30, 31, 700]);
});
reading('a full page is far under 1 MiB, and no more values than a message may hold', () => {
  const all = Array.from({ length: 300 }, (_, i) => row(i + 1, { quota: { kind: 'split', up: 1n, down: 2n } }));
  const departed = Array.from({ length: 300 }, () => ({ ...gone, why: 'expired' as const }));
  const page = enforcer.pageOf({ rows: all, gone: departed, faults: [] }, { from: 1 as Slot, most: 256 });
  assert.equal([page.rows.length, page.gone.length], [256, 128]);
  const encoded = blobmsg.encode(enforcer.encodePage(page));
  assert.ok(encoded.ok && encoded.value.length < 1 << 18, `${encoded.ok && encoded.value.length} bytes`);
  assert.equal(encoded.ok && enforcer.decodePage(sent(enforcer.encodePage(page))), ok(page));
});
reading.run();

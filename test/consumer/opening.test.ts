import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Asked } from '../../agent/consumer/opening.ts';
import * as opening from '../../agent/consumer/opening.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as story from '../wire/story.ts';

const said = (r: { ok: true; value: unknown } | { ok: false; fault: { code: string; path: string } }): unknown =>
  r.ok ? r.value : `${r.fault.code} ${r.fault.path}`;

const offers = {
  offers: [
    { name: 'roof', micro: 1200, currency: 'EUR' },
    { name: 'free', micro: 0, currency: 'EUR' },
    { name: 'half', micro: 0.5 },
  ],
};
const offerCases = [
  { name: 'one with a price', json: offers, of: 'roof', want: { price: { micro: 1200n, currency: 'EUR' } } },
  { name: 'a free one', json: offers, of: 'free', want: { price: null } },
  { name: 'one that is not there', json: offers, of: 'cellar', want: 'missing offer' },
  { name: 'half a millionth', json: offers, of: 'half', want: 'malformed offer.micro' },
  { name: 'no list', json: { offers: {} }, of: 'roof', want: 'malformed offers' },
  { name: 'nothing', json: null, of: 'roof', want: 'malformed offers' },
];
const offer = suite('consumer: offer');
for (const c of offerCases) offer(c.name, () => assert.equal(said(opening.parseOffer(c.json, c.of)), c.want));
offer.run();

const outcome = { kind: 'opened', address4: '10.64.0.2', address6: 'fd00::2' };
const open = { condition: 'open', node: 'a'.repeat(16), outcome: JSON.stringify(outcome) };
const refused = { kind: 'refused', code: 'denied', path: 'grant.rate', reason: 'at most 8' };
const standingCases = [
  { name: 'asked', json: { condition: 'asked', outcome: null }, want: { kind: 'asked' } },
  { name: 'open', json: open, want: { kind: 'open', node: 'a'.repeat(16), address4: '10.64.0.2', address6: 'fd00::2' } },
  {
    name: 'refused',
    json: { condition: 'refused', outcome: JSON.stringify(refused) },
    want: { kind: 'refused', why: { code: 'denied', path: 'grant.rate', reason: 'at most 8' } },
  },
  { name: 'of nobody', json: { ...open, node: '../etc' }, want: 'malformed session' },
  { name: 'in a word nobody knows', json: { ...open, condition: 'ajar' }, want: 'malformed session' },
  { name: 'without an outcome', json: { ...open, outcome: null }, want: 'malformed session.outcome' },
  {
    name: 'with a line of its own in an address',
    json: { ...open, outcome: JSON.stringify({ ...outcome, address4: '10.64.0.2\nPostUp = id' }) },
    want: 'malformed session.outcome',
  },
  {
    name: 'with the families exchanged',
    json: { ...open, outcome: JSON.stringify({ ...outcome, address4: 'fd00::2', address6: '10.64.0.2' }) },
    want: 'malformed session.outcome',
  },
];
const standing = suite('consumer: standing');
for (const c of standingCases) standing(c.name, () => assert.equal(said(opening.parseStanding(c.json)), c.want));
standing.run();

const addresses = { address4: '10.64.0.2', address6: 'fd00::2' };
const node = cose.keyIdOf(story.keyOf('node'), hashes);
const line = (birth: typeof story.birth, by: 'node' | 'stranger'): string => `${hexOf(cose.encode(story.sign('birth', birth, by)))}\n`;
const tunnel = story.birth.tunnel;
if (tunnel === null) throw new Error('the story has a tunnel');
const profileCases = [
  { name: 'as the router has signed it', text: line(story.birth, 'node'), want: `${tunnel.key} ${tunnel.port}` },
  { name: 'of another router', text: line({ ...story.birth, key: story.keyOf('stranger') }, 'stranger'), want: 'missing birth' },
  { name: 'signed by another', text: line(story.birth, 'stranger'), want: 'missing birth' },
  { name: 'of a router without a tunnel', text: line({ ...story.birth, tunnel: null }, 'node'), want: 'missing birth.tunnel' },
  { name: 'nothing', text: '', want: 'missing birth' },
  { name: 'no hex', text: 'birth', want: 'malformed line 1' },
];
const profile = suite('consumer: the way to the router');
for (const c of profileCases)
  profile(c.name, () => {
    const made = opening.profile(c.text, node, addresses, null, hashes);
    assert.is(made.ok ? `${made.value.key} ${made.value.endpoint.split(':').at(-1)}` : said(made), c.want);
  });
profile.run();

const { first } = story;
if (first.quota.kind !== 'shared' || first.price === null) throw new Error('the story has one quota and a price');
const asked: Asked = { peer: first.peer, bytes: first.quota.bytes, seconds: first.lifetime, offer: { price: first.price } };
const { price } = first;
const faultCases: readonly Readonly<{ name: string; grant: typeof first; want: string }>[] = [
  { name: 'what was asked for', grant: first, want: '' },
  { name: 'for somebody else', grant: { ...first, peer: 'B'.repeat(43).concat('=') as PeerKey }, want: 'grant.peer' },
  { name: 'less', grant: { ...first, quota: { kind: 'shared', bytes: first.quota.bytes - 1n } }, want: 'grant.quota' },
  {
    name: 'in two halves',
    grant: { ...first, quota: { kind: 'split', up: first.quota.bytes, down: first.quota.bytes } },
    want: 'grant.quota',
  },
  { name: 'shorter', grant: { ...first, lifetime: (first.lifetime - 1) as typeof first.lifetime }, want: 'grant.lifetime' },
  { name: 'dearer', grant: { ...first, price: { ...price, micro: (price.micro + 1n) as typeof price.micro } }, want: 'grant.price' },
  { name: 'in another currency', grant: { ...first, price: { ...price, currency: 'XAU' } }, want: 'grant.price' },
];
const faults = suite('consumer: what was granted');
for (const c of faultCases)
  faults(c.name, () =>
    assert.is(
      opening
        .faultsOf(asked, c.grant)
        .map(({ path }) => path)
        .join(' '),
      c.want,
    ),
  );
faults.run();

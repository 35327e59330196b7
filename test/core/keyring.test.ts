import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PublicKey } from '../../agent/core/brand.ts';
import { seconds } from '../../agent/core/brand.ts';
import type { Certified, Keyring } from '../../agent/core/keyring.ts';
import * as keyring from '../../agent/core/keyring.ts';
import type { KeyId } from '../../agent/core/signed.ts';

const key = new Uint8Array(32) as PublicKey;
const root = 'rootrootrootroot' as KeyId;
const other = 'otherotherothero' as KeyId;
const cert = (serial: number, more: Partial<Certified> = {}): Certified => ({
  id: `key${serial}`.padEnd(16, 'a') as KeyId,
  root,
  key,
  serial,
  least: 1,
  until: seconds(1000),
  may: ['grant', 'command'],
  ...more,
});
const pinned: Keyring = new Map([
  [root, { key, least: 1, keys: [] }],
  [other, { key, least: 1, keys: [] }],
]);

function taken(certs: readonly Certified[]): Readonly<{ ring: Keyring; said: string }> {
  let [ring, said] = [pinned, ''];
  for (const c of certs) {
    const next = keyring.take(ring, c);
    said = next.ok ? 'taken' : `${next.fault.code} ${next.fault.path}`;
    if (next.ok) ring = next.value;
  }
  return { ring, said };
}

const takes: readonly Readonly<{ name: string; in: readonly Certified[]; want: string }>[] = [
  { name: 'the first', in: [cert(1)], want: 'taken' },
  { name: 'twice', in: [cert(1), cert(1)], want: 'taken' },
  { name: 'two side by side', in: [cert(1), cert(2)], want: 'taken' },
  { name: 'of a root that is not pinned', in: [cert(1, { root: 'strangerstranger' as KeyId })], want: 'stranger root' },
  { name: 'void by a later one', in: [cert(3, { least: 3 }), cert(2)], want: 'stale serial' },
  { name: 'void by a later one that is void itself', in: [cert(3, { least: 3 }), cert(4, { least: 4 }), cert(3)], want: 'stale serial' },
  { name: 'four', in: [cert(1), cert(2), cert(3), cert(4)], want: 'taken' },
  { name: 'a fifth, newer than all', in: [cert(1), cert(2), cert(3), cert(4), cert(5)], want: 'taken' },
  { name: 'a fifth, said again by who has kept it', in: [cert(2), cert(3), cert(4), cert(5), cert(1)], want: 'limit root' },
  { name: "another root's low number", in: [cert(9, { least: 9 }), cert(1, { root: other })], want: 'taken' },
];
const take = suite('keyring: take');
for (const c of takes) take(c.name, () => assert.is(taken(c.in).said, c.want));
take.run();

const finds: readonly Readonly<{ name: string; in: readonly Certified[]; role?: keyring.Role; at?: number; want: string }>[] = [
  { name: 'found', in: [cert(1)], want: 'serial 1' },
  { name: 'until the end', in: [cert(1)], at: 1000, want: 'serial 1' },
  { name: 'after the end', in: [cert(1)], at: 1001, want: 'expired certificate' },
  { name: 'nobody', in: [], want: 'stranger key' },
  { name: 'ended', in: [cert(1), cert(2, { least: 2 })], want: 'stranger key' },
  { name: 'not for this', in: [cert(1, { may: ['grant'] })], want: 'denied certificate' },
  { name: 'for this', in: [cert(1, { may: ['grant'] })], role: 'grant', want: 'serial 1' },
  {
    name: 'certified anew: the later word holds',
    in: [cert(1), cert(2, { id: cert(1).id, until: seconds(5000) })],
    at: 3000,
    want: 'serial 2',
  },
  { name: 'after four newer ones', in: [cert(1), cert(2), cert(3), cert(4), cert(5)], want: 'stranger key' },
  {
    name: 'of two roots: the one that the owner names first, whatever the other says of it',
    in: [cert(9, { id: cert(1).id, root: other, may: [] }), cert(1)],
    want: 'serial 1',
  },
  { name: 'certified anew for less', in: [cert(1), cert(2, { id: cert(1).id, may: ['grant'] })], want: 'denied certificate' },
];
const find = suite('keyring: find');
for (const c of finds)
  find(c.name, () => {
    const found = keyring.find(taken(c.in).ring, cert(1).id, c.role ?? 'command', seconds(c.at ?? 0));
    assert.is(found.ok ? `serial ${found.value.serial}` : `${found.fault.code} ${found.fault.path}`, c.want);
  });
find.run();

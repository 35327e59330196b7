// What coordinators have to do with: their messages, read by whose word counts here, and what a birth tells them of the tunnel. Part of the
// agent's root, loaded where there is a coordinator. Nothing is believed before its signature holds; what follows from it is core/orders'.

import type { Call } from './adapters/enforcer-client.ts';
import * as enforcer from './adapters/enforcer-client.ts';
import { parsePeerKey } from './core/admission.ts';
import type { Order } from './core/command.ts';
import type { Tunnel } from './core/effect.ts';
import type { Event, Ordering } from './core/event.ts';
import type { Hashes } from './core/hash.ts';
import * as ip from './core/ip.ts';
import * as keyring from './core/keyring.ts';
import { fail, ok, type Result, under } from './core/result.ts';
import { grantId } from './core/signed.ts';
import type { Heard, Whose } from './loop.ts';
import { command } from './wire/command.ts';
import * as cose from './wire/cose.ts';
import * as door from './wire/door.ts';
import * as fields from './wire/fields.ts';
import { certificate, grant } from './wire/grant.ts';

export function hear({ topic, payload, ticket }: Heard, whose: Whose, hashes: Hashes): Event {
  const said =
    topic === 'certificates'
      ? certified(payload, whose, hashes)
      : topic === 'commands'
        ? commanded(payload, ticket, whose, hashes)
        : elsewhere;
  return said.ok ? said.value : { kind: 'misheard', fault: said.fault };
}
const elsewhere = fail('unsupported', 'topic', 'nothing is heard there');

function certified(payload: Uint8Array, { ring }: Whose, hashes: Hashes): Result<Ordering> {
  const signed = cose.decode(payload);
  if (!signed.ok) return signed;
  const root = ring.get(signed.value.signer);
  if (root === undefined) return fail('stranger', 'root', 'is not pinned here');
  const verified = cose.verify(signed.value, root.key, hashes);
  const read = verified.ok ? cose.read(verified.value, 'certificate', certificate) : verified;
  if (!read.ok) return read;
  const { signer } = signed.value;
  return ok({ kind: 'certified', certified: { ...read.value, id: cose.keyIdOf(read.value.key, hashes), root: signer } });
}

function commanded(payload: Uint8Array, ticket: number, whose: Whose, hashes: Hashes): Result<Ordering> {
  const by = vouched(payload, 'command', whose, hashes);
  if (!by.ok) return by;
  const read = cose.read(by.value.signed, 'command', command);
  if (!read.ok) return read;
  const { signed, key } = by.value;
  return ok({
    kind: 'commanded',
    ticket,
    signer: signed.signer,
    root: key.root,
    command: read.value,
    granted: grantIn(read.value.order, whose, hashes),
  });
}

type Granted = Extract<Ordering, { kind: 'commanded' }>['granted'];

function grantIn(order: Order, whose: Whose, hashes: Hashes): Granted {
  if (!('grant' in order)) return null;
  const by = vouched(order.grant, 'grant', whose, hashes);
  if (!by.ok) return { ok: false, fault: under('grant', by.fault) };
  const read = cose.read(by.value.signed, 'grant', grant);
  if (!read.ok) return read;
  const digest = cose.digestOf(by.value.signed, hashes);
  return ok({ grant: read.value, id: grantId(digest), digest, bytes: order.grant, root: by.value.key.root });
}

type Vouched = Readonly<{ signed: cose.Verified; key: keyring.Certified }>;

/** Of a key that a root has certified for it. */
function vouched(bytes: Uint8Array, role: keyring.Role, { ring, earliest }: Whose, hashes: Hashes): Result<Vouched> {
  const signed = cose.decode(bytes);
  if (!signed.ok) return signed;
  const key = keyring.find(ring, signed.value.signer, role, earliest);
  if (!key.ok) return key;
  const verified = cose.verify(signed.value, key.value.key, hashes);
  return verified.ok ? ok({ signed: verified.value, key: key.value }) : verified;
}

const mostAddresses = 8;
const isLocal = (a: ip.Address): boolean => a.length === 16 && a[0] === 0xfe && (Number(a[1]) & 0xc0) === 0x80;

/** null: there is no tunnel, or nobody can say. */
export async function survey(call: Call): Promise<Tunnel | null> {
  const facts = await enforcer.ask(call, 'facts', []);
  const found = facts.ok ? door.decode(facts.value) : facts;
  const port = facts.ok ? fields.number(facts.value, 'port') : facts;
  if (!found.ok || !port.ok || found.value.key === null) return null;
  const key = parsePeerKey(found.value.key);
  const addresses = found.value.ways.flatMap((way) => way.addresses).filter((a) => !isLocal(a));
  return key.ok ? { key: key.value, port: port.value, addresses: addresses.slice(0, mostAddresses).map(ip.renderAddress) } : null;
}

// What a coordinator says of a session that was asked for, taken as a stranger's word: the way to the router is what the router itself has
// signed, and the terms are held against what was asked. Knows no HTTP.

import * as endpoints from '../core/endpoint.ts';
import type { Grant, Price } from '../core/grant.ts';
import type { Hashes } from '../core/hash.ts';
import * as ip from '../core/ip.ts';
import { type Fault, fail, fault, ok, type Result, under } from '../core/result.ts';
import type { PeerKey } from '../core/seat.ts';
import type { KeyId } from '../core/signed.ts';
import * as command from '../wire/command.ts';
import * as cose from '../wire/cose.ts';
import * as evidence from '../wire/evidence.ts';
import type { Profile } from '../wire/wgquick.ts';

export type Offer = Readonly<{ price: Price | null }>;
/** Of the consumer in the tunnel. */
export type Addresses = Readonly<{ address4: string; address6: string }>;
export type Standing =
  | Readonly<{ kind: 'asked' }>
  | Readonly<{ kind: 'refused'; why: Fault }>
  | (Readonly<{ kind: 'open'; node: KeyId }> & Addresses);

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined;
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const malformed = (path: string): Result<never> => fail('malformed', path, 'is not what a coordinator says');

/** `json`: of GET /offers. */
export function parseOffer(json: unknown, name: string): Result<Offer> {
  const offers = fieldOf(json, 'offers');
  if (!Array.isArray(offers)) return malformed('offers');
  const offer: unknown = offers.find((one: unknown) => fieldOf(one, 'name') === name);
  if (offer === undefined) {
    const names = offers.map((one: unknown) => textOf(fieldOf(one, 'name')));
    return fail('missing', 'offer', names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`);
  }
  const [micro, currency] = [fieldOf(offer, 'micro'), textOf(fieldOf(offer, 'currency'))];
  if (typeof micro !== 'number' || !Number.isSafeInteger(micro)) return malformed('offer.micro');
  return ok({ price: micro === 0 ? null : { micro: BigInt(micro) as Price['micro'], currency } });
}

/** `json`: of GET /sessions/ID. */
export function parseStanding(json: unknown): Result<Standing> {
  const [condition, node] = [fieldOf(json, 'condition'), textOf(fieldOf(json, 'node'))];
  if (condition === 'asked') return ok({ kind: 'asked' });
  const outcome = outcomeOf(textOf(fieldOf(json, 'outcome')));
  const [address4, address6] = [
    ip.parseAddress(textOf(fieldOf(outcome, 'address4'))),
    ip.parseAddress(textOf(fieldOf(outcome, 'address6'))),
  ];
  if (condition === 'refused')
    return ok({ kind: 'refused', why: fault('denied', textOf(fieldOf(outcome, 'path')), textOf(fieldOf(outcome, 'reason'))) });
  if (condition !== 'open' || !/^[a-z2-7]{16}$/.test(node)) return malformed('session');
  if (!address4.ok || !ip.isV4(address4.value) || !address6.ok || ip.isV4(address6.value)) return malformed('session.outcome');
  const shown = { address4: ip.renderAddress(address4.value), address6: ip.renderAddress(address6.value) };
  return ok({ kind: 'open', node: node as KeyId, ...shown });
}

function outcomeOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // It has no fields, then.
    return null;
  }
}

/** `text`: everything signed about the session. `secret`: in base64, for an app that has no other way to it. */
export function profile(text: string, node: KeyId, addresses: Addresses, secret: string | null, hashes: Hashes): Result<Profile> {
  const messages = evidence.parse(text);
  if (!messages.ok) return messages;
  for (const bytes of messages.value) {
    const signed = cose.decode(bytes);
    if (!signed.ok || signed.value.kind !== 'birth' || signed.value.signer !== node) continue;
    const birth = command.readBirth(signed.value, hashes);
    if (!birth.ok) return birth;
    if (cose.keyIdOf(birth.value.key, hashes) !== node) return fail('stranger', 'birth.key', 'is not the one the router is named after');
    const { tunnel } = birth.value;
    const [address] = tunnel === null ? [] : tunnel.addresses;
    if (tunnel === null || address === undefined) return fail('missing', 'birth.tunnel', 'the router does not say where to call');
    return ok({ secret, ...addresses, dns: [], mtu, key: tunnel.key, endpoint: endpoints.render(address, tunnel.port) });
  }
  return fail('missing', 'birth', `${node} has said nothing of itself`);
}
/** What weir.tunnel.mtu is where the owner says nothing. */
const mtu = 1420;

export type Asked = Readonly<{ peer: PeerKey; bytes: bigint; seconds: number; offer: Offer }>;

/** Where a grant is not what was asked for. */
export function faultsOf({ peer, bytes, seconds, offer }: Asked, { peer: to, quota, lifetime, price }: Grant): readonly Fault[] {
  const wrong = (path: string, isWrong: boolean): readonly Fault[] => (isWrong ? [fault('denied', path, 'is not what was asked for')] : []);
  return [
    ...wrong('peer', peer !== to),
    ...wrong('quota', quota.kind !== 'shared' || quota.bytes < bytes),
    ...wrong('lifetime', lifetime < seconds),
    ...wrong('price', price?.micro !== offer.price?.micro || price?.currency !== offer.price?.currency),
  ].map((why) => under('grant', why));
}

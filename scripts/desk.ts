// A coordinator's desk, as a consumer comes to it: each request signed with the consumer's key. And the way from a wish to a session that is open.

import { lookup } from 'node:dns/promises';
import { setTimeout as pause } from 'node:timers/promises';
import * as opening from '../agent/consumer/opening.ts';
import type { PublicKey } from '../agent/core/brand.ts';
import { type Code, fail, ok, type Result, under } from '../agent/core/result.ts';
import type { SessionId } from '../agent/core/signed.ts';
import type { Signer } from '../agent/crypto/ed25519.ts';
import { host } from '../agent/host/node.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as requests from '../agent/wire/request.ts';

/** Answers JSON, or the text of what is none. */
export type Desk = Readonly<{ ask(method: string, path: string, body?: object): Promise<Result<unknown>> }>;

const base = '/api/v1';
const patience = 60_000;

/** A signature holds once: the same request within a second is of the next one. */
const last = new Map<string, number>();
function timeOf(request: string): number {
  const time = Math.max(Math.floor(Date.now() / 1000), (last.get(request) ?? 0) + 1);
  last.set(request, time);
  return time;
}

/** A coordinator of another root is asked for nothing but that. */
export function at(url: string, signer: Signer, root: PublicKey): Desk {
  let isKnown = false;
  async function meet(): Promise<Result<unknown>> {
    const health = await send(url, 'GET', '/health', '', {});
    if (!health.ok) return health;
    const said = (health.value as { root?: unknown }).root;
    isKnown = said === hexOf(root);
    return isKnown
      ? health
      : fail(
          'stranger',
          'coordinator',
          `its root is ${String(said)}: --key with it, once you know from elsewhere that it is the right one`,
        );
  }
  return {
    async ask(method, path, body) {
      const met = isKnown ? null : await meet();
      if (met?.ok === false) return met;
      const sent = body === undefined ? '' : JSON.stringify(body);
      const request = { root, method, url: base + path, body: new TextEncoder().encode(sent) };
      const authorization = requests.authorization(request, `${timeOf(`${hexOf(signer.key)} ${method} ${path} ${sent}`)}`, signer, host);
      return send(url, method, path, sent, { authorization });
    },
  };
}

async function send(
  url: string,
  method: string,
  path: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<Result<unknown>> {
  let answer: Response;
  let said: string;
  try {
    const signal = AbortSignal.timeout(patience);
    answer = await fetch(new URL(base + path, url), { method, headers, signal, ...(body === '' ? {} : { body }) });
    said = await answer.text();
  } catch (error) {
    const { cause, message } = error as Error & Readonly<{ cause?: Readonly<{ code?: string; message: string }> }>;
    return fail('closed', 'coordinator', `${url} does not answer: ${cause?.code ?? cause?.message ?? message}`);
  }
  return read(answer, said);
}

/** Where it is to be found, by the name servers of now. */
export async function addressesOf(url: string): Promise<Result<readonly string[]>> {
  try {
    const { hostname } = new URL(url);
    return ok((await lookup(hostname.replace(/^\[|\]$/g, ''), { all: true })).map(({ address }) => address));
  } catch (error) {
    return fail('missing', '--from', (error as Error).message);
  }
}

type Said = Readonly<{ error?: Readonly<{ code?: unknown; path?: unknown; reason?: unknown }> }>;

function read(answer: Response, said: string): Result<unknown> {
  if (answer.ok && !answer.headers.get('content-type')?.startsWith('application/json')) return ok(said);
  try {
    const json = JSON.parse(said) as unknown;
    if (answer.ok) return ok(json);
    const { error } = json as Said;
    return fail(String(error?.code) as Code, String(error?.path), String(error?.reason));
  } catch {
    return fail('foreign', 'coordinator', `answers ${answer.status}, and no JSON`);
  }
}

const passing: readonly Code[] = ['missing', 'closed', 'limit'];

/** Tells the coordinator of a dispute: it takes one when it has the receipt, which the router may have kept until it was answered. */
export async function tell(desk: Desk, dispute: Uint8Array): Promise<Result<unknown>> {
  for (const end = Date.now() + 2 * patience; ; await pause(3000)) {
    const told = await desk.ask('POST', '/disputes', { message: hexOf(dispute) });
    if (told.ok || !passing.includes(told.fault.code) || Date.now() > end) return told;
  }
}

export type Wish = Readonly<{
  offer: string;
  node: string | null;
  peer: opening.Asked['peer'];
  bytes: bigint;
  seconds: number;
  countersigns: boolean;
}>;
/** `evidence`: everything signed about it so far. */
export type Opened = Readonly<{
  session: SessionId;
  standing: Extract<opening.Standing, { kind: 'open' }>;
  evidence: string;
  offer: opening.Offer;
}>;

export async function open(desk: Desk, wish: Wish): Promise<Result<Opened>> {
  const offers = await desk.ask('GET', '/offers');
  const offer = offers.ok ? opening.parseOffer(offers.value, wish.offer) : offers;
  if (!offer.ok) return offer;
  const { bytes, node, countersigns, ...rest } = wish;
  const asked = await desk.ask('POST', '/sessions', {
    ...rest,
    bytes: Number(bytes),
    ...(node === null ? {} : { node }),
    ...(countersigns ? {} : { countersign: false }),
  });
  if (!asked.ok) return asked;
  const { session } = asked.value as { session: SessionId };
  const standing = await settled(desk, session);
  if (!standing.ok) return standing;
  const evidence = await desk.ask('GET', `/sessions/${session}/evidence`);
  return evidence.ok ? ok({ session, standing: standing.value, evidence: String(evidence.value), offer: offer.value }) : evidence;
}

async function settled(desk: Desk, session: SessionId): Promise<Result<Opened['standing']>> {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    await pause(1000);
    const shown = await desk.ask('GET', `/sessions/${session}`);
    const standing = shown.ok ? opening.parseStanding(shown.value) : shown;
    if (!standing.ok) return standing;
    if (standing.value.kind === 'open') return ok(standing.value);
    if (standing.value.kind === 'refused') return { ok: false, fault: under('router', standing.value.why) };
  }
  const ended = await desk.ask('DELETE', `/sessions/${session}`);
  return ended.ok ? fail('timeout', 'router', 'does not answer; the session was taken back') : ended;
}

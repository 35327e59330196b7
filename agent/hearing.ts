// Where consumers are heard: countersignatures on the tunnel's own addresses, begun when the first consumer with a key is there. Part of the
// agent's root: hands the journal's receipts to the adapter, and its events to the loop.

import type { Countersign } from './adapters/countersign.ts';
import * as countersign from './adapters/countersign.ts';
import * as enforcer from './adapters/enforcer-client.ts';
import type { Event } from './core/event.ts';
import type { Kept } from './core/journal.ts';
import type { Voucher } from './core/receipt.ts';
import { type Fault, type Result, text, under } from './core/result.ts';
import type { Consumer } from './core/serving.ts';
import type { SessionId } from './core/signed.ts';
import type { Host } from './ports/host.ts';
import type { Store } from './ports/store.ts';
import * as cose from './wire/cose.ts';
import * as fields from './wire/fields.ts';

export type Hearing = Readonly<{
  attend(consumers: readonly Consumer[]): void;
  show(session: SessionId): void;
  tally(tally: Voucher): void;
}>;

/** Of those that are wanted again: so many at a time. */
const mostSent = 8;

export function open(host: Host, call: enforcer.Call, store: Store, happened: (event: Event) => void): Hearing {
  let wanted: readonly Consumer[] = [];
  let heard: readonly Consumer[] = [];
  let running: Countersign | null = null;
  let isStarting = false;

  async function start(): Promise<Result<Countersign>> {
    const facts = await enforcer.ask(call, 'facts', []);
    if (!facts.ok) return facts;
    const [four, six] = [fields.string(facts.value, 'address4'), fields.string(facts.value, 'address6')];
    if (!four.ok) return four;
    if (!six.ok) return six;
    return countersign.start(host, [four.value, six.value], {
      witnessed: (link, signature) => happened({ kind: 'witnessed', link, signature }),
      disputed: (dispute, bytes) => happened({ kind: 'disputed', dispute, bytes }),
      vouched: (voucher, message) => happened({ kind: 'vouched', voucher, message }),
      wanted: send,
      closed(why) {
        running = null;
        heard = [];
        say(why);
      },
    });
  }

  /** The tunnel may not be there yet; with the next consumer or receipt it is tried again. */
  async function begin(): Promise<void> {
    if (running !== null || isStarting || wanted.length === 0) return settle();
    isStarting = true;
    const started = await start();
    isStarting = false;
    if (!started.ok) return say(started.fault);
    running = started.value;
    settle();
    for (const { session } of wanted) ask(session);
  }

  const say = (why: Fault): void => host.log(text(under('countersign', why)));

  function settle(): void {
    if (running === null) return;
    for (const { session } of heard) if (!wanted.some((one) => one.session === session)) running.dismiss(session);
    for (const one of wanted) if (!heard.includes(one)) running.admit(one);
    heard = wanted;
  }

  const keptOf = (session: SessionId): readonly Kept[] => store.state().accounts.get(session)?.kept ?? [];
  const termsOf = (session: SessionId): Uint8Array | null => store.state().accounts.get(session)?.terms ?? null;

  function ask(session: SessionId): void {
    const last = keptOf(session).at(-1);
    if (running === null || last === undefined || last.witness !== null) return;
    const signed = cose.decode(last.receipt);
    if (!signed.ok) throw new Error(`a receipt of ours is none: ${text(signed.fault)}`);
    running.ask({ link: { session, sequence: last.sequence, digest: last.digest }, signed: signed.value });
  }

  function send(session: SessionId, from: number | null): void {
    const kept = keptOf(session);
    const asked = from === null ? kept.slice(-1) : kept.filter(({ sequence }) => sequence >= from).slice(0, mostSent);
    const grant = termsOf(session);
    // A receipt may be wanted because of the terms that it names.
    if (grant !== null) running?.send(session, { kind: 'granted', grant });
    for (const { receipt } of asked) running?.send(session, { kind: 'sealed', receipt });
  }

  return {
    attend(consumers) {
      wanted = consumers;
      void begin();
    },
    show(session) {
      if (running === null) void begin();
      else ask(session);
    },
    tally: (tally) => running?.tally(tally),
  };
}

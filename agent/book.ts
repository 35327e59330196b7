// What the agent signs and what it keeps: its identity, its journal, the epoch of this start. Part of the agent's root: hands the codecs and
// the adapters of these to the loop.

import * as enforcer from './adapters/enforcer-client.ts';
import * as identities from './adapters/identity.ts';
import * as journals from './adapters/journal.ts';
import type { Bus } from './adapters/ubus-client.ts';
import type { Birth } from './core/birth.ts';
import { seconds } from './core/brand.ts';
import * as journal from './core/journal.ts';
import { bondsOf, type Nameplate } from './core/nameplate.ts';
import { absurd, type Fault, ok, type Result, text } from './core/result.ts';
import type { Clock } from './core/serving.ts';
import { bootOf, type Nonce } from './core/signed.ts';
import { version } from './core/version.ts';
import type { World } from './loop.ts';
import type { Host } from './ports/host.ts';
import type { Store } from './ports/store.ts';
import * as commands from './wire/command.ts';
import { hexOf } from './wire/form.ts';
import type { Identity } from './wire/identity.ts';
import * as plates from './wire/nameplate.ts';
import * as owner from './wire/owner.ts';
import { recall } from './wire/recall.ts';
import * as seals from './wire/seal.ts';

export type Book = Pick<World, 'store' | 'recalled' | 'sign' | 'seal' | 'compose' | 'epoch'> &
  Readonly<{
    /** Who we are, once it is known on which router. */
    identify(bus: Bus): Promise<Result<Identity>>;
    /** What makes our key known; null: we do not know it yet. */
    birth(): Uint8Array | null;
    /** Which router; null: we do not know it yet. */
    plate(): Nameplate | null;
    /** Somebody has a backup of the key. */
    isSaved(): boolean;
  }>;

export function open(host: Host, folder: string, clock: () => Clock): Result<Book> {
  const say = (why: Fault): void => host.log(text(why));
  const opened = journals.open(host, folder, say);
  if (!opened.ok) return opened;
  const { store, cut, damage } = opened.value;
  if (cut > 0) host.log(`journal: ${cut} bytes of a write that was cut are left out`);
  if (damage !== null) say(damage);
  let isCounted = write(
    store,
    [{ kind: 'started', starts: store.state().starts + 1 }, ...(damage === null ? [] : journal.abandoned(store.state()))],
    say,
  );
  const recalled = recall(store.state(), host).flatMap((one) => {
    if (!one.ok) say(one.fault);
    return one.ok ? [one.value] : [];
  });
  const epoch = hexOf(host.random(16)) as Nonce;
  const boot = bootOf(host.clock.bootId());
  let identity: Identity | null = null;
  let plate: Nameplate | null = null;
  let born: Uint8Array | null = null;
  const signer = (): Identity['signer'] => {
    if (identity === null) throw new Error('signs before it knows who it is');
    return identity.signer;
  };
  function birth({ sequence, tunnel }: Pick<Birth, 'sequence' | 'tunnel'>): Uint8Array {
    const { at, wall } = clock();
    isCounted ||= store.commit([]).ok;
    const starts = isCounted ? store.state().starts : null;
    const up = seconds(Math.floor(at / 1000));
    const said = { key: signer().key, version, host: host.kind, epoch, starts, sequence, boot, up, wall, tunnel };
    return seals.birth(said, signer(), host);
  }
  return ok({
    store,
    recalled,
    epoch,
    birth() {
      if (identity === null) return null;
      born ??= birth({ sequence: 1, tunnel: null });
      return born;
    },
    compose(word) {
      switch (word.kind) {
        case 'birth':
          born = birth(word);
          return born;
        case 'state':
          return commands.encodeState({ ...word, epoch });
        case 'reply':
          return seals.reply(word.reply, signer(), host);
        case 'receipt':
          return owner.witnessed(word);
        case 'voucher':
          return word.voucher;
        case 'root':
          return word.root;
        default:
          return absurd(word);
      }
    },
    plate: () => plate,
    isSaved: () => identities.isSaved(host, folder),
    async identify(bus) {
      if (identity !== null) return ok(identity);
      const answer = await enforcer.ask(bus.call, 'nameplate', []);
      const told = answer.ok ? plates.decode(answer.value) : answer;
      if (!told.ok) return told;
      plate = told.value;
      const known = identities.open(host, folder, bondsOf(plate), journal.isUnused(store.state()));
      if (known.ok) identity = known.value;
      return known;
    },
    sign: (grant) => seals.grant(grant, signer(), host),
    seal(receipts, others) {
      const { at, wall } = clock();
      return seals.seal(receipts, others, store.state(), { epoch, boot, up: at, wall }, signer(), host);
    },
  });
}

/** What cannot be written now is said; it is written with what comes next. */
function write(store: Store, marks: readonly journal.Mark[], say: (why: Fault) => void): boolean {
  const written = store.commit(marks);
  if (written.ok) return true;
  say(written.fault);
  const noted = store.note(marks);
  if (!noted.ok) say(noted.fault);
  return false;
}

// The journal on the flash: one file that is appended to, and replaced by what its marks add up to when it has grown. Writes as seldom as it
// may and counts every write. Decides nothing; core/journal says what a mark means.

import { type Millis, millis } from '../core/brand.ts';
import type { Journal, Mark } from '../core/journal.ts';
import * as journal from '../core/journal.ts';
import { type Fault, ok, type Result, under } from '../core/result.ts';
import type { Host, Timer } from '../ports/host.ts';
import type { Opened, Store } from '../ports/store.ts';
import * as frames from '../wire/journal.ts';
import * as writer from '../wire/writer.ts';

type Ground = Pick<Host, 'files' | 'clock' | 'sha256'>;

const mode = 0o600;
/** More than core/journal ever keeps, doubled by what is appended. */
const mostFile = 4 << 20;
const mostNoted = 256;
/** A file grows to three times its smallest form and this: to replace it is much of what a busy day writes. */
const slack = 32 << 10;

/** `failed` hears of what was noted and could not be written; it is tried again. */
export function open(ground: Ground, folder: string, failed: (why: Fault) => void): Result<Opened> {
  const { files, sha256 } = ground;
  const path = `${folder}/journal`;
  const read = files.read(path, mostFile);
  if (!read.ok && read.fault.code !== 'ENOENT') return { ok: false, fault: under('journal', read.fault) };
  const bytes = read.ok ? read.value : new Uint8Array();
  const found = frames.decode(bytes, sha256);
  const replayed = replay(found.batches);
  const damage = typeof found.rest === 'object' ? found.rest : replayed.wrong;
  const cut = damage === null ? bytes.length - found.size : 0;
  if (damage !== null) {
    // The last one is kept for whoever wants to know; what is good of it goes on.
    const aside = files.replace(`${path}.damaged`, bytes, mode);
    if (!aside.ok) return { ok: false, fault: under('journal', aside.fault) };
  }
  const isClean = damage === null && cut === 0;
  const store = storeOf(ground, path, replayed.state, isClean ? bytes.length : null, failed);
  return ok({ store, cut, damage: damage === null ? null : under('journal', damage) });
}

function replay(batches: readonly (readonly Mark[])[]): Readonly<{ state: Journal; wrong: Fault | null }> {
  let state = journal.empty;
  for (const batch of batches) {
    const taken = takeAll(state, batch);
    if (!taken.ok) return { state, wrong: taken.fault };
    state = taken.value;
  }
  return { state, wrong: null };
}

function takeAll(from: Journal, marks: readonly Mark[]): Result<Journal> {
  let state = from;
  for (const mark of marks) {
    const taken = journal.take(state, mark);
    if (!taken.ok) return taken;
    state = taken.value;
  }
  return ok(state);
}

/** `length`: of the file; null: something stands behind its last good frame, so that nothing may be appended. */
function storeOf(
  { files, clock, sha256 }: Ground,
  path: string,
  found: Journal,
  length: number | null,
  failed: (why: Fault) => void,
): Store {
  let state = found;
  let noted: readonly Mark[] = [];
  let size = length;
  let limit = slack;
  let timer: Timer | null = null;
  let budget = journal.full(clock.monotonic());
  let sealed: Millis | null = null;
  const spent = { writes: 0, bytes: 0 };

  function write(marks: readonly Mark[]): Result<void> {
    const taken = takeAll(state, marks);
    if (!taken.ok) return taken;
    const frame = frames.encode([...noted, ...marks], sha256);
    const isWhole = size === null || size + frame.length > limit || noted.length > mostNoted;
    const bytes = isWhole ? snapshot(taken.value) : frame;
    const written = isWhole ? files.replace(path, bytes, mode) : files.append(path, bytes, mode);
    spent.writes += 1;
    spent.bytes += bytes.length;
    budget = journal.spend(journal.earn(budget, clock.monotonic()));
    if (!written.ok) {
      // A part of it may be there, or all of it: the file is written anew as soon as that works.
      size = null;
      wait();
      return { ok: false, fault: under('journal', written.fault) };
    }
    size = isWhole ? bytes.length : Number(size) + bytes.length;
    if (isWhole) limit = 3 * bytes.length + slack;
    state = taken.value;
    noted = [];
    rest();
    if (marks.some(({ kind }) => kind === 'sealed')) sealed = clock.monotonic();
    return ok(undefined);
  }

  /** In frames of a few marks, so that reading them takes little memory. */
  function snapshot(of: Journal): Uint8Array {
    const marks = journal.marksOf(of);
    const w = writer.open(slack);
    for (let i = 0; i < marks.length; i += 32) writer.bytes(w, frames.encode(marks.slice(i, i + 32), sha256));
    return writer.done(w);
  }

  function wait(): void {
    timer ??= clock.after(journal.patience, () => {
      timer = null;
      const written = write([]);
      if (!written.ok) failed(written.fault);
    });
  }
  function rest(): void {
    timer?.cancel();
    timer = null;
  }

  return {
    state: () => state,
    commit: write,
    note(marks) {
      const taken = takeAll(state, marks);
      if (!taken.ok) return taken;
      state = taken.value;
      // Of a lifetime the newest says all.
      const newer = new Set(marks.map((mark) => (mark.kind === 'lived' ? mark.session : null)));
      const others = noted.filter((mark) => mark.kind !== 'lived' || !newer.has(mark.session));
      // Beyond that many the state is written instead.
      noted = others.length > mostNoted ? others : [...others, ...marks];
      wait();
      return ok(undefined);
    },
    isTime(isStep) {
      const now = clock.monotonic();
      budget = journal.earn(budget, now);
      return sealed === null || journal.isTime(budget, millis(now - sealed), state.accounts.size, isStep);
    },
    spent: () => ({ ...spent }),
    close() {
      const written = noted.length === 0 ? ok(undefined) : write([]);
      rest();
      return written;
    },
  };
}

// The journal through power cuts: whatever is left of a write, what is read back is the state before it or the state after it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { open } from '../../../agent/adapters/journal.ts';
import { millis, seconds } from '../../../agent/core/brand.ts';
import type { Journal, Lived, Mark } from '../../../agent/core/journal.ts';
import * as journal from '../../../agent/core/journal.ts';
import type { Fault, Result } from '../../../agent/core/result.ts';
import type { BootId, Digest, SessionId } from '../../../agent/core/signed.ts';
import type { Host } from '../../../agent/ports/host.ts';
import type { Opened } from '../../../agent/ports/store.ts';
import * as clocks from '../../fakes/clock.ts';
import type { Flash } from '../../fakes/flash.ts';
import { flash } from '../../fakes/flash.ts';

const folder = '/state';
const path = `${folder}/journal`;

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
}

/** The same numbers on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >> 8) % below;
  };
}

const hex = (n: number, size: number): string => n.toString(16).padStart(2 * size, '0');
const lived = (time: number): Lived => ({ time: seconds(time), boot: '0123456789abcdef' as BootId, up: seconds(time) });
const sessionOf = (n: number): SessionId => hex(n + 1, 16) as SessionId;

/** What a node could write next; digests never repeat, so that a chain told twice shows. */
export function nextMarks(j: Journal, pick: (below: number) => number, fresh: number, size = 200): readonly Mark[] {
  const accounts = [...j.accounts];
  const chosen = accounts[accounts.length === 0 ? 0 : pick(accounts.length)];
  if (chosen === undefined || (pick(8) === 0 && accounts.length < 6)) {
    const session = sessionOf(fresh);
    return [
      {
        kind: 'opened',
        session,
        anchor: hex(fresh, 32) as Digest,
        grant: new Uint8Array(size).fill(fresh),
        name: null,
        root: null,
        until: null,
      },
    ];
  }
  const [session, account] = chosen;
  const head = journal.headOf(account);
  const sealed = (isLast: boolean): Mark => {
    const [sequence, digest] = [head.sequence + 1, hex(fresh, 32) as Digest];
    return { kind: 'sealed', session, sequence, digest, receipt: new Uint8Array(size).fill(fresh), isLast };
  };
  switch (pick(6)) {
    case 0:
      return head.sequence > 0 ? [{ kind: 'acknowledged', session, ...head }] : [{ kind: 'started', starts: j.starts + 1 }];
    case 1:
      return [{ kind: 'witnessed', session, sequence: head.sequence, signature: new Uint8Array(64).fill(fresh) }];
    case 2:
      return [{ kind: 'lived', session, ...lived((account.lived?.time ?? 0) + 10) }];
    case 3:
      return account.isClosed ? [] : [sealed(pick(4) === 0)];
    default:
      return account.isClosed ? [] : [sealed(false)];
  }
}

export function testJournal(host: Pick<Host, 'sha256' | 'files'>, temp: string, sessions: number): void {
  const start = (files: Flash, clock = clocks.manual(), failed: (why: Fault) => void = () => undefined): Opened =>
    must(open({ files, clock, sha256: host.sha256 }, folder, failed));

  const cut = suite('journal: a power cut');
  cut('at any byte of any write: the state before, or the one after; no chain is told twice', () => {
    const files = flash();
    const pick = numbers(7);
    let { store } = start(files);
    let seen = 0;
    for (let step = 0; step < 160; step++) {
      const before = store.state();
      const marks = nextMarks(before, pick, step, 400);
      must(store.commit(marks));
      const after = store.state();
      for (const write of files.writes.slice(seen)) {
        const grown = write.after.length - write.before.length;
        const cuts = write.kind === 'replace' ? [] : step < 12 ? [...Array(grown).keys()] : [1, 7, 8, pick(grown), pick(grown), grown - 1];
        for (const length of cuts) {
          const left = flash();
          left.hold(path, write.after.slice(0, write.before.length + length));
          const again = start(left);
          assert.is(again.cut, length);
          assert.is(again.damage, null);
          assert.equal(again.store.state(), before, `step ${step}, ${length} bytes`);
          // And on from there: what was cut is gone for good.
          if (length !== 7) continue;
          must(again.store.commit([{ kind: 'started', starts: 1000 }]));
          assert.is(start(left).cut, 0);
        }
      }
      seen = files.writes.length;
      if (pick(5) === 0) ({ store } = start(files));
      assert.equal(store.state(), after, `step ${step}`);
    }
    assert.ok(
      files.writes.some(({ kind }) => kind === 'replace'),
      'was never compacted',
    );
  });
  cut('a bit that changed: what is before it, and a report', () => {
    const files = flash();
    const { store } = start(files);
    const pick = numbers(3);
    const states: Journal[] = [store.state()];
    for (let step = 0; step < 12; step++) {
      must(store.commit(nextMarks(store.state(), pick, step)));
      states.push(store.state());
    }
    const bytes = must(files.read(path, 1 << 20));
    for (let at = 0; at < bytes.length; at += 17) {
      const changed = bytes.slice();
      changed[at] = Number(changed[at]) ^ (1 << pick(8));
      const left = flash();
      left.hold(path, changed);
      const again = start(left);
      assert.is(again.damage?.path.startsWith('journal.byte '), true, `byte ${at}`);
      assert.ok(states.some((s) => JSON.stringify([...s.accounts]) === JSON.stringify([...again.store.state().accounts])));
      assert.equal(must(left.read(`${path}.damaged`, 1 << 20)), changed);
    }
  });
  cut.run();

  const trouble = suite('journal: trouble');
  for (const kind of ['read-only', 'full', 'cut'] as const)
    trouble(`${kind}: nothing counts, and then all goes on`, () => {
      const files = flash();
      const clock = clocks.manual();
      const faults: Fault[] = [];
      const { store } = start(files, clock, (why) => faults.push(why));
      must(store.commit(nextMarks(store.state(), numbers(1), 1)));
      must(store.note([{ kind: 'timed', time: seconds(9) }]));
      const before = store.state();
      files.set(kind);
      const got = store.commit([{ kind: 'started', starts: 5 }]);
      assert.is(!got.ok && got.fault.path, `journal.${path}`);
      assert.equal(store.state(), before);
      assert.is(start(files).damage, null);
      clock.advance(journal.patience);
      // A file that was cut is replaced, which works.
      assert.is(faults.length, kind === 'cut' ? 0 : 1);
      files.set('none');
      clock.advance(journal.patience);
      assert.equal(start(files).store.state(), before);
      assert.is(start(files).cut, 0);
    });
  trouble('a mark that forks a chain is not written', () => {
    const files = flash();
    const { store } = start(files);
    const got = store.commit([
      { kind: 'started', starts: 5 },
      { kind: 'lived', session: sessionOf(1), ...lived(1) },
    ]);
    assert.is(!got.ok && got.fault.code, 'missing');
    assert.is(files.writes.length, 0);
    assert.is(store.state().starts, 0);
  });
  trouble.run();

  const seldom = suite('journal: writes');
  seldom('what is noted waits, and goes with the next', () => {
    const files = flash();
    const clock = clocks.manual();
    const { store } = start(files, clock);
    for (let n = 1; n <= 100; n++) must(store.note([{ kind: 'timed', time: seconds(n) }]));
    clock.advance(millis(journal.patience - 1));
    assert.is(files.writes.length, 0);
    clock.advance(millis(1));
    assert.is(files.writes.length, 1);
    must(store.note([{ kind: 'timed', time: seconds(101) }]));
    must(store.commit([{ kind: 'started', starts: 1 }]));
    clock.advance(millis(10 * journal.patience));
    assert.is(files.writes.length, 2);
    must(store.note([{ kind: 'timed', time: seconds(102) }]));
    must(store.close());
    assert.equal(start(files).store.state(), store.state());
    assert.is(store.spent().writes, 3);
  });
  seldom('of a lifetime the newest note is written alone', () => {
    const files = flash();
    const { store } = start(files);
    const marks = [0, 1].map((n) => ({
      session: sessionOf(n),
      anchor: hex(n, 32) as Digest,
      grant: new Uint8Array(300),
      name: null,
      root: null,
      until: null,
    }));
    must(store.commit(marks.map((opened) => ({ kind: 'opened', ...opened }))));
    const [whole] = files.writes;
    const lived = (n: number, time: number): Mark => ({
      kind: 'lived',
      session: sessionOf(n),
      time: seconds(time),
      boot: '00'.repeat(8) as BootId,
      up: seconds(time),
    });
    for (let time = 1; time <= 50; time++) must(store.note([lived(0, time), lived(1, 2 * time)]));
    must(store.close());
    const [, notes] = files.writes;
    assert.ok(whole !== undefined && notes !== undefined);
    assert.ok(notes.after.length - whole.after.length < 150, `${notes.after.length - whole.after.length} bytes`);
    assert.equal(start(files).store.state(), store.state());
  });
  seldom('more notes than fit are written as a state', () => {
    const files = flash();
    const { store } = start(files);
    for (let n = 1; n <= 600; n++) must(store.note([{ kind: 'timed', time: seconds(n) }]));
    must(store.commit([]));
    assert.is(files.writes.at(-1)?.kind, 'replace');
    assert.is(start(files).store.state().time, 600);
  });
  seldom(`${sessions} sessions: bounded`, () => {
    const files = flash();
    const { store } = start(files);
    let longest = 0;
    for (let n = 0; n < sessions; n++) {
      const session = sessionOf(n);
      const [anchor, digest] = [hex(n, 32) as Digest, hex(n + 5000, 32) as Digest];
      must(store.commit([{ kind: 'opened', session, anchor, grant: new Uint8Array(300), name: null, root: null, until: null }]));
      must(store.commit([{ kind: 'sealed', session, sequence: 1, digest, receipt: new Uint8Array(330), isLast: true }]));
      longest = Math.max(longest, Number(files.writes.at(-1)?.after.length));
    }
    assert.ok(longest < 384 << 10, `${longest} bytes`);
    const again = start(files);
    assert.equal(again.store.state(), store.state());
    const { past, accounts } = store.state();
    assert.ok(past.length <= journal.mostPast && past.length + accounts.size >= Math.min(sessions, journal.mostPast));
  });
  seldom('on this host: there and back, for nobody else to read', () => {
    const real = { files: host.files, clock: clocks.manual(), sha256: host.sha256 };
    const { store } = must(open(real, temp, () => undefined));
    must(store.commit([{ kind: 'started', starts: 1 }]));
    must(store.commit(nextMarks(store.state(), numbers(1), 1)));
    assert.equal(must(open(real, temp, () => undefined)).store.state(), store.state());
    assert.is(must(host.files.stat(`${temp}/journal`)).mode, 0o600);
  });
  seldom.run();
}

// What receipts cost: sealing and verifying on this machine and on an emulated router, their bytes, and what a day of them writes to flash.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as journal from '../../agent/adapters/journal.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Mark } from '../../agent/core/journal.ts';
import type { Link } from '../../agent/core/receipt.ts';
import * as receipt from '../../agent/core/receipt.ts';
import { sumOf } from '../../agent/core/seat.ts';
import type { GrantId } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Store } from '../../agent/ports/store.ts';
import * as cose from '../../agent/wire/cose.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { asCommand } from '../../build/bytecode.ts';
import { native } from '../../build/native.ts';
import * as clocks from '../../test/fakes/clock.ts';
import { flash } from '../../test/fakes/flash.ts';
import { runRouter } from '../../test/vm/ground/router.ts';
import * as story from '../../test/wire/story.ts';
import { type Bench, render } from './bench.ts';
import { readingAt, type Sealed, seal, signerOf } from './receipts-sample.ts';

const limits = { receipt: 400, writes: 400, bytes: 1_000_000 } as const;

export const receipts: Bench = {
  what: 'receipts: seal and verify, here and on a MIPS router; bytes; what a day writes to flash',
  needs: ['qemu-system-mipsel:qemu-system-mips', '/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring'],
  async run() {
    const { entry, modules } = await bundleProgram('scripts/benches/receipts-program.ts');
    const program = String(modules.get(entry));
    const speeds = { x86_64: await here(program, 300), mipsel: await emulated(program, 10) };
    const days = [day('both'), day('witnessed'), day('neither')] as const;
    const [acknowledged, away, alone] = days;
    const speed = (name: string, { seal: sealing, verify }: Speed, unit: string): string[] => [
      name,
      unit,
      sealing.toFixed(1),
      verify.toFixed(1),
    ];
    const held = {
      receipt: acknowledged.largest,
      writes: Math.max(...days.map(({ writes }) => writes)),
      bytes: Math.max(...days.map(({ bytes }) => bytes)),
    };
    return {
      on: 'this machine, an emulated MIPS 24Kf that counts its instructions, and in virtual time',
      body: [
        render([
          ['', 'in a second of', 'sealed', 'countersignatures verified'],
          speed('x86_64', speeds.x86_64, 'this machine'),
          speed('mipsel_24kc', speeds.mipsel, '10^9 instructions'),
        ]),
        'QuickJS; processor time. A router at 580 MHz ends fewer instructions than it has ticks, so it does less than half of the second line.',
        render([
          ['a day of 20 sessions, 45 Mbit/s in all', 'receipts', 'largest, bytes', 'writes', 'bytes written'],
          ['countersigned, and acknowledged each quarter of an hour', ...wordsOf(acknowledged)],
          ['countersigned, with the coordinator away all day', ...wordsOf(away)],
          ["friends': neither", ...wordsOf(alone)],
          ['limit', '', String(limits.receipt), String(limits.writes), String(limits.bytes)],
        ]),
        'The journal’s adapter, over files in memory. A receipt’s bytes include its countersignature. Each round seals what is due by time and ' +
          'by bytes, with a root, in one write.',
      ].join('\n\n'),
      numbers: {
        seal_per_s: { x86_64: round(speeds.x86_64.seal), mipsel: round(speeds.mipsel.seal) },
        verify_per_s: { x86_64: round(speeds.x86_64.verify), mipsel: round(speeds.mipsel.verify) },
        receipt_bytes: held.receipt,
        writes_per_day: held.writes,
        bytes_per_day: held.bytes,
      },
      broken: (Object.keys(limits) as (keyof typeof limits)[])
        .filter((name) => held[name] > limits[name])
        .map((name) => `${name}: ${held[name]}, limit ${limits[name]}`),
    };
  },
};

type Speed = Readonly<{ seal: number; verify: number }>;
const round = (n: number): number => Math.round(10 * n) / 10;

function speedIn(output: string, count: number): Speed {
  const spent = JSON.parse(output.trim()) as Speed;
  return { seal: (1000 * count) / spent.seal, verify: (1000 * count) / spent.verify };
}

async function here(program: string, count: number): Promise<Speed> {
  const binary = await native('host', [asCommand(program)]);
  return speedIn(execFileSync(binary, [String(count)], { encoding: 'utf8', timeout: 300_000 }), count);
}

async function emulated(program: string, count: number): Promise<Speed> {
  const { output, status } = await runRouter({
    machine: 'mipsel',
    binary: readFileSync(await native('mipsel_24kc', [asCommand(program)])),
    script: `weir ${count}`,
    timeoutMs: 600_000,
    countsInstructions: true,
  });
  if (status !== 0) throw new Error(`receipts: the router ended with ${status}\n${output}`);
  return speedIn(output, count);
}

// ── A day ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Day = Readonly<{ writes: number; bytes: number; receipts: number; largest: number }>;
const wordsOf = ({ receipts: count, largest, writes, bytes }: Day): string[] => [count, largest, writes, bytes].map(String);

const sessions = 20;
const readEvery = 10_000;
const livedEvery = 300_000;
const acknowledgedEvery = 900_000;
const aDay = 86_400_000;
const aMonth = 30 * aDay;
/** Of sealing and verifying on a slow router. */
const cost = millis(500);

type Account = { head: Link; terms: GrantId; share: number; pace: receipt.Pace; sealedAt: number; sealedBytes: bigint };
/** From a tenth of the mean to nearly twice as much, so that they come to their steps at different times. */
const shareOf = (n: number): number => (2 * n + 1) / sessions;

/** What comes of a receipt: a countersignature, and the coordinator's word that it has it. */
function day(answered: 'both' | 'witnessed' | 'neither'): Day {
  const [clock, files] = [clocks.manual(), flash()];
  const fail = (why: Readonly<{ reason: string }>): never => {
    throw new Error(`receipts: ${why.reason}`);
  };
  const opened = journal.open({ files, clock, ...hashes }, '/weir', fail);
  const store: Store = opened.ok ? opened.value.store : fail(opened.fault);
  const keep = (write: 'commit' | 'note', marks: readonly Mark[]): void => {
    const written = store[write](marks);
    if (!written.ok) fail(written.fault);
  };
  const [node, consumer] = [signerOf('node', hashes), signerOf('consumer', hashes)];
  let [count, largest] = [0, 0];

  const accounts = Array.from({ length: sessions }, (_, n): Account => {
    const signed = story.sign('grant', { ...story.listed, nonce: n.toString(16).padStart(32, '0') }, 'coordinator');
    const digest = cose.digestOf(signed, hashes);
    const session = grantId(digest);
    keep('commit', [{ kind: 'opened', session, anchor: digest, grant: cose.encode(signed), name: null, root: null, until: null }]);
    const share = shareOf(n);
    const quota = { kind: 'shared', bytes: readingAt(share * aMonth).counted.down } as const;
    const pace = receipt.paceOf(sessions, cost, quota, null);
    return { head: { session, sequence: 0, digest }, terms: session, share, pace, sealedAt: 0, sealedBytes: 0n };
  });

  function sealDue(now: number): void {
    const billedBy = (share: number): bigint => sumOf(readingAt(share * now).counted);
    const [isRound, isStep] = [store.isTime(false), store.isTime(true)];
    const due = accounts.filter(({ share, pace, sealedAt, sealedBytes }) => {
      const bytes = billedBy(share) - sealedBytes;
      return receipt.isTime(pace, { bytes, time: now - sealedAt }, false) && (isRound || (isStep && bytes >= pace.step));
    });
    if (due.length === 0) return;
    const made = due.map((account) => ({ account, one: seal(account.head, account.share * now, account.terms, node, hashes) }));
    keep('commit', [...made.map(({ one }) => sealedOf(one)), rootOf(made.length, now)]);
    for (const { account, one } of made) {
      Object.assign(account, { head: one.link, sealedAt: now, sealedBytes: billedBy(account.share) });
      const signature = cose.witness(one.signed, consumer);
      count += 1;
      largest = Math.max(largest, cose.encode({ ...one.signed, witness: signature }).length);
      if (answered !== 'neither') keep('note', [{ kind: 'witnessed', session: one.link.session, sequence: one.link.sequence, signature }]);
    }
  }

  let roots = 0;
  function rootOf(size: number, now: number): Mark {
    roots += 1;
    const signed = story.sign('root', { ...story.root, number: roots, size, up: millis(now) }, 'node');
    return { kind: 'rooted', number: roots, digest: cose.digestOf(signed, hashes), bytes: cose.encode(signed) };
  }

  for (let now = readEvery; now <= aDay; now += readEvery) {
    clock.advance(millis(readEvery));
    if (now % livedEvery === 0)
      keep(
        'note',
        accounts.map(({ head: { session } }) => ({
          kind: 'lived',
          session,
          time: seconds(now / 1000),
          boot: story.boot,
          up: seconds(now / 1000),
        })),
      );
    sealDue(now);
    if (answered === 'both' && now % acknowledgedEvery === 0)
      keep(
        'note',
        accounts.filter(({ head }) => head.sequence > 0).map(({ head }) => ({ kind: 'acknowledged', ...head })),
      );
  }
  const closed = store.close();
  if (!closed.ok) fail(closed.fault);
  return { ...store.spent(), receipts: count, largest };
}

const sealedOf = ({ link, bytes }: Sealed): Mark => ({ kind: 'sealed', ...link, receipt: bytes, isLast: false });

// The command line as the router runs it, against an agent and an enforcer that only say what the tables here tell them.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeQR } from 'qr/decode.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis, type SecretKey, seconds } from '../../agent/core/brand.ts';
import { fault, ok, type Result } from '../../agent/core/result.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as x25519 from '../../agent/crypto/x25519.ts';
import { host } from '../../agent/host/node.ts';
import * as base64 from '../../agent/wire/base64.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as enforcer from '../../agent/wire/enforcer.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as identity from '../../agent/wire/identity.ts';
import * as owner from '../../agent/wire/owner.ts';
import * as telemetry from '../../agent/wire/telemetry.ts';
import { native } from '../../build/native.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as router from '../fakes/router.ts';
import { startUbusd } from '../fakes/ubusd.ts';
import * as story from '../wire/story.ts';

type Ended = Readonly<{ code: number; stdout: string; stderr: string }>;
type Stage = {
  readonly folder: string;
  readonly files: Map<string, string>;
  facts: Fields;
  /** What the agent was asked, and what it answers to each method. */
  readonly asked: { method: string; args: Table }[];
  answers: Record<string, Fields | Result<never>>;
  weir(...args: string[]): Promise<Ended>;
};

const wan: Fields = { name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: [], dns: ['11.9.0.1', '192.168.1.1'] };
const key = 'MWFT46JCPUopQBsEmnOPXtg2o1RYQK/ZxaHMlg9PDSQ=';
const [birth, grant] = [cose.encode(story.sign('birth', story.birth, 'node')), cose.encode(story.signedFirst)];
const opened: Fields = {
  session: story.session,
  address4: '10.213.0.2',
  address6: 'fd00:64::2',
  birth: base64.encode(birth),
  grant: base64.encode(grant),
};
const session: Fields = {
  session: story.session,
  name: 'ann',
  condition: 'open',
  up: 1n << 30n,
  down: 2n << 30n,
  quota: 20n << 30n,
  left: 17n << 30n,
  rate_up: 10_000_000n,
  rate_down: 10_000_000n,
  seconds: 2_592_000n,
  sequence: 4n,
  address4: '10.213.0.2',
  address6: 'fd00:64::2',
};

async function within(work: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-cli-'));
  const socket = join(folder, 'ubus.sock');
  const ubusd = await startUbusd({ path: socket });
  const fakes = await router.start(socket, host.clock, { ...router.configs, weir: "config tunnel 'tunnel'\n\toption mtu '1400'\n" });
  const bus = await ubus.open(host, { path: socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
  if (!bus.ok) throw new Error(bus.fault.reason);
  const binary = await native('host');
  const stage: Stage = {
    folder,
    files: fakes.files,
    facts: { key, uplinks: [wan] },
    asked: [],
    answers: {},
    weir: (...args) =>
      new Promise((resolve) => {
        const env = { UBUS_SOCKET: socket, WEIR_FOLDER: folder };
        execFile(binary, args, { env, timeout: 60_000 }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      }),
  };
  try {
    await bus.value.publish('weir.enforcer', { facts: { args: {}, run: () => ok(plain.table(stage.facts)) } });
    const method = (name: string) => ({
      args: {},
      run({ args }: ubus.Call): Result<Table> {
        stage.asked.push({ method: name, args });
        const answer = stage.answers[name] ?? {};
        return 'fault' in answer ? ok(enforcer.encodeRefusal(answer.fault as never)) : ok(plain.table(answer as Fields));
      },
    });
    const names = Object.keys(owner.args);
    await bus.value.publish('weir', Object.fromEntries(names.map((name) => [name, method(name)])));
    await work(stage);
  } finally {
    bus.value.close();
    fakes.stop();
    await ubusd.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const usual: readonly string[] = ['friend', 'add', 'ann', '--quota', '20G', '--rate', '50M/10M', '--days', '30'];

const [black, reset] = ['\x1b[30;47;107m', '\x1b[0m'];
const plainOf = (stdout: string): string => stdout.replaceAll(black, '').replaceAll(reset, '');

/** What a camera makes of the terminal. */
function photographed(stdout: string): string {
  const rows = stdout
    .split('\n')
    .filter((line) => line.startsWith(black))
    .flatMap((line) => {
      const cells = [...plainOf(line)];
      return ['▀', '▄'].map((half) => cells.map((cell) => cell === half || cell === '█'));
    });
  const [scale, width] = [4, rows[0]?.length ?? 0];
  const data = new Uint8Array(rows.length * scale * width * scale * 4).fill(255);
  for (let y = 0; y < rows.length * scale; y++)
    for (let x = 0; x < width * scale; x++)
      if (rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] === true)
        data.fill(0, 4 * (y * width * scale + x), 4 * (y * width * scale + x) + 3);
  return decodeQR({ width: width * scale, height: rows.length * scale, data });
}

const add = suite('weir friend add');
add('asks for what was said, and shows the configuration as text and as a code', () =>
  within(async (stage) => {
    stage.answers['friend_add'] = opened;
    const { code, stdout, stderr } = await stage.weir(...usual, '--until', '2027-12-31');
    assert.is(stderr, '');
    assert.is(code, 0);
    const [config = ''] = stdout.split(`\n${black}`);
    const secret = /^PrivateKey = (.*)$/m.exec(config)?.[1] ?? '';
    const bytes = base64.decode(secret);
    assert.ok(bytes.ok && bytes.value.length === 32);
    assert.is(
      config,
      `[Interface]
PrivateKey = ${secret}
Address = 10.213.0.2/32, fd00:64::2/128
DNS = 11.9.0.1
MTU = 1400

[Peer]
PublicKey = ${key}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 11.1.0.2:51820
PersistentKeepalive = 25
`,
    );
    assert.is(photographed(stdout), config);
    assert.match(stdout, /Shown once/);
    assert.ok(
      plainOf(stdout)
        .split('\n')
        .every((line) => [...line].length < 80),
    );
    const [asked, another] = stage.asked;
    assert.is(another, undefined);
    const invitation = owner.decodeInvitation(asked?.args ?? []);
    assert.ok(invitation.ok && bytes.ok);
    if (!invitation.ok || !bytes.ok) return;
    const { peer, ...draft } = invitation.value.draft;
    assert.is(peer as string, base64.encode(x25519.publicKey(bytes.value as SecretKey)));
    assert.equal(
      [invitation.value.name, draft],
      [
        'ann',
        {
          consumer: null,
          witness: 'none',
          credit: null,
          quota: 20n << 30n,
          rate: { up: 10_000_000n, down: 50_000_000n },
          lifetime: 2_592_000,
          until: 1_830_297_599,
          idle: null,
        },
      ],
    );
  }),
);

add('for a consumer with keys of its own: no secret, no code, and its grant in a file', () =>
  within(async (stage) => {
    stage.answers['friend_add'] = opened;
    const [file, signer] = [join(stage.folder, 'grant'), hexOf(story.keyOf('consumer'))];
    const more = ['--key', key, '--consumer', signer, '--countersign', 'required', '--credit', '32M', '--grant', file, '--dns', 'none'];
    const { code, stdout } = await stage.weir(...usual, ...more);
    assert.is(code, 0);
    assert.not.match(stdout, /^PrivateKey|^DNS|Shown once|█/m);
    assert.is(readFileSync(file, 'utf8'), `${hexOf(birth)}\n${hexOf(grant)}\n`);
    const invitation = owner.decodeInvitation(stage.asked[0]?.args ?? []);
    assert.ok(invitation.ok);
    if (!invitation.ok) return;
    const { peer, consumer, witness, credit } = invitation.value.draft;
    assert.equal([peer, consumer, witness, credit], [key, story.keyOf('consumer'), 'required', 32n << 20n]);
  }),
);

add('into a file for nobody else, which is never written over', () =>
  within(async (stage) => {
    stage.answers['friend_add'] = opened;
    const file = join(stage.folder, 'ann.conf');
    const first = await stage.weir(...usual, '--out', file);
    assert.is(first.code, 0);
    assert.is(statSync(file).mode & 0o777, 0o600);
    assert.is(photographed(first.stdout), readFileSync(file, 'utf8'));
    assert.not.match(first.stdout, 'PrivateKey');
    const second = await stage.weir(...usual, '--out', file);
    assert.is(second.code, 1);
    assert.match(second.stderr, /EEXIST/);
    assert.not.match(second.stderr, 'PrivateKey');
    // The session is there now, and its key nowhere else.
    assert.match(second.stdout, /^PrivateKey = /m);
  }),
);

const places: readonly (readonly [name: string, facts: Fields, args: readonly string[], uci: string | null, endpoint: string])[] = [
  ['the owner says for once', { key, uplinks: [] }, ['--endpoint', 'home.example:443'], null, 'home.example:443'],
  ['the owner says for good', { key, uplinks: [] }, [], 'home.example', 'home.example:51820'],
  [
    'IPv6 behind CGNAT',
    { key, uplinks: [{ ...wan, addresses: ['100.64.0.9/24', '2a11:1::2/64'], hints: ['carrier-nat'] }] },
    [],
    null,
    '[2a11:1::2]:51820',
  ],
];
add('the endpoint', () =>
  within(async (stage) => {
    stage.answers['friend_add'] = opened;
    for (const [name, facts, args, uci, endpoint] of places) {
      stage.facts = facts;
      stage.files.set('weir', uci === null ? '' : `config tunnel 'tunnel'\n\toption endpoint '${uci}'\n`);
      const { stdout } = await stage.weir(...usual, ...args);
      assert.is(/^Endpoint = (.*)$/m.exec(stdout)?.[1], endpoint, name);
    }
  }),
);

const refused: readonly (readonly [name: string, args: readonly string[], facts: Fields | null, code: number, said: RegExp])[] = [
  [
    'nobody could call',
    usual,
    { key, uplinks: [{ ...wan, addresses: ['100.64.0.9/24'], hints: ['carrier-nat'] }] },
    1,
    /endpoint: .*CGNAT.*--endpoint/,
  ],
  ['the tunnel is not there', usual, { uplinks: [wan] }, 1, /key: the tunnel is not there yet/],
  ['a size without a unit', usual.with(4, '20'), null, 2, /--quota: expected a size/],
  ['no rate', usual.toSpliced(5, 2), null, 2, /--rate: has to be said/],
  ['a name that is none', usual.with(2, 'ann/../bob'), null, 2, /NAME: expected 1 to 32 letters/],
  ['no name', usual.toSpliced(2, 1), null, 2, /NAME: has to be said/],
  ['a misspelt option', [...usual, '--untill', '2027-01-01'], null, 2, /--untill: no such option/],
  ['an order that is none', ['friend', 'ad'], null, 2, /expected one of add, list/],
];
add('refused: nothing is asked of the agent', () =>
  within(async (stage) => {
    for (const [name, args, facts, code, said] of refused) {
      stage.facts = facts ?? { key, uplinks: [wan] };
      const ended = await stage.weir(...args);
      assert.match(ended.stderr, said);
      assert.equal([ended.code, ended.stdout, stage.asked], [code, '', []], name);
    }
  }),
);

add('beyond the owner’s limits: the field, and the mend', () =>
  within(async (stage) => {
    stage.answers['friend_add'] = { ok: false, fault: fault('denied', 'grant.quota', 'at most 10737418240 bytes') };
    const { code, stdout, stderr } = await stage.weir(...usual);
    assert.is(code, 1);
    assert.is(stdout, '');
    assert.match(
      stderr,
      /^weir friend add: grant\.quota: at most 10737418240 bytes \(denied\)\n {2}mend: .*uci set weir\.limits\.session_quota=20480; uci commit weir\n$/,
    );
  }),
);
add.run();

const others = suite('weir friend');
others('list, show, top-up, remove', () =>
  within(async (stage) => {
    const { name: _, ...nameless } = session;
    stage.answers = {
      friend_list: { sessions: [session] },
      sessions: { sessions: [session, { ...nameless, condition: 'paused', reason: 'spent' }] },
    };
    const id = story.session.slice(0, 8);
    const row = `${id}  open   1.0 GiB  2.0 GiB  17.0 GiB  30d00h  ann\n`;
    assert.is((await stage.weir('friend', 'list')).stdout, `session   state       up     down      left    ends  name\n${row}`);
    assert.match((await stage.weir('sessions')).stdout, new RegExp(`paused .*\\n  ${id}: spent\\n$`));
    assert.equal(JSON.parse((await stage.weir('friend', 'list', '--json')).stdout).sessions[0].left, 17 * 2 ** 30);
    const shown = await stage.weir('friend', 'show', 'ann');
    assert.match(shown.stdout, new RegExp(`^PublicKey  ${key.replaceAll('+', '\\+')}\\nEndpoint   11\\.1\\.0\\.2:51820$`, 'm'));
    const nobody = await stage.weir('friend', 'show', 'bob');
    assert.equal([nobody.code, nobody.stdout], [1, '']);
    stage.asked.length = 0;
    assert.is((await stage.weir('friend', 'top-up', 'ann', '--quota', '5G', '--days', '10')).code, 0);
    assert.is((await stage.weir('friend', 'remove', 'ann')).code, 0);
    assert.equal(
      stage.asked.map(({ method, args }) => [method, { ...plain.fields(args), ...(method === 'friend_top_up' && { nonce: '' }) }]),
      [
        ['friend_top_up', { name: 'ann', nonce: '', quota: 5n << 30n, seconds: 864_000n }],
        ['friend_remove', { name: 'ann' }],
      ],
    );
  }),
);
others('receipts: each checked; as they are for weir verify', () =>
  within(async (stage) => {
    const chain = story.chain.map(({ signed, witness }) => cose.encode({ ...signed, witness }));
    const messages = [grant, cose.encode(story.signedSecond), ...chain].map(base64.encode);
    stage.answers = { sessions: { sessions: [session] }, receipts: { receipts: messages, more: false } };
    writeFileSync(join(stage.folder, 'key'), identity.encode(story.secretOf('node'), identity.fingerprintOf('', hashes), hashes), {
      mode: 0o600,
    });
    const good = await stage.weir('receipts', 'ann');
    assert.is(good.code, 0, good.stderr);
    assert.equal(good.stdout.split('\n').length, chain.length + 2);
    const hex = join(stage.folder, 'evidence');
    writeFileSync(hex, (await stage.weir('receipts', story.session.slice(0, 8), '--hex')).stdout);
    const shown = await stage.weir('key', 'show');
    const own = /^key +([0-9a-f]{64})$/m.exec(shown.stdout)?.[1] ?? '';
    const trusted = `${own},${hexOf(story.keyOf('coordinator'))}`;
    const verified = await stage.weir('verify', '--key', trusted, hex);
    assert.match(verified.stdout, /4 of 4 receipts[\s\S]*everything holds/);
    assert.is(verified.code, 0);
    stage.answers['receipts'] = {
      receipts: [base64.encode((chain[0] ?? grant).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte)))],
      more: false,
    };
    const disputed: Fields = { receipt: 2n, reason: 'bytes', up: 1n << 20n, down: 2n << 20n, own_up: 0n, own_down: 3n << 10n };
    stage.answers['sessions'] = { sessions: [{ ...session, disputed }] };
    for (const order of ['sessions', 'receipts ann']) {
      const { stdout } = await stage.weir(...order.split(' '));
      assert.match(
        stdout.replace(/\s+/g, ' '),
        /receipt 2 is disputed because of its bytes: bills 1\.0 MiB up, 2\.0 MiB down; by its own counters 0 B up, 3\.0 KiB down/,
      );
    }
    const bad = await stage.weir('receipts', 'ann');
    assert.match(bad.stderr, /^BAD message 1\.signature: .*\(forged\)$/m);
    assert.is(bad.code, 1);
    assert.is((await stage.weir('receipts', 'bob')).code, 1);
  }),
);
others.run();

/** The command line, started by another program. */
const asking = (program: readonly string[], args: readonly string[], { folder }: Stage): Promise<Ended> =>
  native('host').then(
    (binary) =>
      new Promise((resolve) => {
        const [name = '', ...before] = program;
        const env = { ...process.env, UBUS_SOCKET: join(folder, 'ubus.sock'), WEIR_FOLDER: folder };
        execFile(name, [...before, binary, ...args], { env, timeout: 60_000 }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      }),
  );

const keys = suite('weir key');
keys('backup, and back on a router that has none', () =>
  within(async (stage) => {
    const [own, sealed, words] = ['key', 'sealed', 'words'].map((name) => join(stage.folder, name)) as [string, string, string];
    const none = await stage.weir('key', 'show');
    assert.match(none.stderr, /ENOENT[\s\S]*mend: the agent makes it/);
    const secret = story.secretOf('node');
    writeFileSync(own, identity.encode(secret, identity.fingerprintOf('', hashes), hashes), { mode: 0o600 });
    assert.match((await stage.weir('key', 'show')).stdout, /none yet/);
    const saved = await stage.weir('key', 'backup', sealed);
    assert.is(saved.code, 0);
    const [, passphrase = ''] = /shown once: (.*)$/m.exec(saved.stderr) ?? [];
    assert.match(passphrase, /^[a-z2-7]{4}(-[a-z2-7]{4}){4}$/);
    assert.is(statSync(sealed).mode & 0o777, 0o600);
    assert.match((await stage.weir('key', 'show')).stdout, /backup +yes/);
    writeFileSync(words, `${passphrase}\n`);
    const restore = ['key', 'restore', sealed, '--passphrase-file', words];
    const kept = await stage.weir(...restore);
    assert.match(kept.stderr, /EEXIST[\s\S]*mend: .*never written over/);
    assert.is(kept.code, 1);
    for (const file of [own, join(stage.folder, 'saved')]) rmSync(file);
    const back = await stage.weir(...restore);
    assert.is(back.code, 0, back.stderr);
    assert.match((await stage.weir('key', 'show')).stdout, /backup +yes/);
    const read = identity.decode(readFileSync(own), hashes);
    assert.ok(read.ok);
    if (read.ok) assert.equal(read.value.secret, secret);
    rmSync(own);
    const piped = await asking(['sh', '-c', `echo ${passphrase} | "$@"`, 'sh'], ['key', 'restore', sealed], stage);
    assert.is(piped.code, 0, piped.stderr);
    rmSync(own);
    const typed = await asking(['python3', 'test/bus/terminal.py', passphrase], ['key', 'restore', sealed], stage);
    assert.is(typed.code, 0, typed.stdout);
    assert.match(typed.stdout, /passphrase: /);
    assert.not.match(typed.stdout, passphrase, 'shown while it was typed');
    rmSync(own);
    writeFileSync(words, 'another passphrase\n');
    assert.match((await stage.weir(...restore)).stderr, /passphrase: another passphrase/);
    for (const { stdout, stderr } of [saved, kept, back]) assert.not.match(`${stdout}${stderr}`, hexOf(secret));
  }),
);
keys('status reminds of the backup, until there is one', () =>
  within(async (stage) => {
    for (const isSaved of [false, true]) {
      stage.answers = { status: { link: 'alone', key_saved: isSaved, starts: 3 } };
      const { stdout } = await stage.weir('status');
      assert.match(stdout, isSaved ? /^agent: key_saved: yes$/m : /^agent: the key has no backup yet.*weir key backup FILE$/m);
      assert.is(/no backup yet/.test(stdout), !isSaved);
    }
  }),
);
keys.run();

const limits = suite('weir limits');
limits('as the owner has set them', () =>
  within(async (stage) => {
    stage.files.set('weir', "config limits 'limits'\n\toption session_quota '20480'\n\toption monthly_cap 'none'\n");
    const { stdout, code } = await stage.weir('limits');
    assert.is(code, 0);
    assert.match(stdout, /^session_quota +20\.0 GiB$/m);
    assert.match(stdout, /^schedule +always\nhome_first +no$/m);
    const plain = JSON.parse((await stage.weir('limits', '--json')).stdout);
    assert.equal([plain.monthly_cap, plain.schedule, plain.home_first], [null, [], false]);
    stage.files.set(
      'weir',
      "config limits 'limits'\n\tlist schedule 'mon-fri 22:00-06:00'\n\tlist schedule 'sun 00:00-24:00'\n\toption link_up '10000'\n\toption link_down '50000'\n",
    );
    const timed = (await stage.weir('limits')).stdout;
    assert.match(timed, /^schedule +mon-fri 22:00-06:00, sun 00:00-24:00; closed while the time is not known$/m);
    assert.match(timed, /^home_first +guests get what you leave of 50 Mbit\/s down, 10 Mbit\/s up\nheadroom +10 % of that stay empty$/m);
    const exact = JSON.parse((await stage.weir('limits', '--json')).stdout);
    assert.equal([exact.schedule, exact.home_first], [['mon-fri 22:00-06:00', 'sun 00:00-24:00'], true]);
    stage.files.set('weir', "config limits 'limits'\n\toption sessions 'many'\n");
    const wrong = await stage.weir('limits');
    assert.match(wrong.stderr, /weir\.limits\.sessions: set it to/);
    assert.is(wrong.code, 1);
  }),
);
limits.run();

const tidings = suite('weir telemetry and enrol');
tidings('what was sent last, in words and for programs', () =>
  within(async (stage) => {
    const report = { at: seconds(3600), span: seconds(60), isWhole: false, values: { load: 42, temperature: -3, release: 'a\x1bb' } };
    const sent = base64.encode(cbor.encode(telemetry.report.write(report)));
    stage.answers['telemetry'] = { report: sent, ago: 5n, waiting: 0n, span: 0n };
    const { stdout, code } = await stage.weir('telemetry');
    assert.equal(
      [code, stdout],
      [0, 'sent 5 s ago, of 60 s; nothing waits\nrelease      a?b\nload          42  hundredths\ntemperature   -3  °C\n'],
    );
    assert.equal(JSON.parse((await stage.weir('telemetry', '--json')).stdout), { ...report, ago: 5, waiting: 0, waiting_span: 0 });
    stage.answers['telemetry'] = { waiting: 3n, span: 180n };
    assert.is((await stage.weir('telemetry')).stdout, 'nothing was sent yet; 3 wait, of 180 s\n');
    stage.answers['telemetry'] = { report: 'Zm9v', ago: 5n, waiting: 0n, span: 0n };
    const wrong = await stage.weir('telemetry');
    assert.equal([wrong.code, wrong.stdout], [1, '']);
    assert.match(wrong.stderr, /report/);
  }),
);
tidings('a code is written down, and nothing of it is shown', () =>
  within(async (stage) => {
    const root = '0f'.repeat(32);
    const ended = await stage.weir('enrol', `ABCD-efgh-2345-wxyz-mnop@${root}`);
    assert.equal([ended.code, ended.stderr], [0, '']);
    assert.not.match(ended.stdout, /efgh/i);
    const config = stage.files.get('weir') ?? '';
    assert.match(config, `config coordinator 'coordinator'\n\toption claim 'ABCD-efgh-2345-wxyz-mnop@${root}'\n`);
    assert.match(config, "option mtu '1400'");
    for (const args of [['enrol'], ['enrol', 'abcd'], ['enrol', 'abcdefgh2345wxyzmnop@x']]) {
      const { code, stderr } = await stage.weir(...args);
      assert.is(code, 2);
      assert.not.match(stderr, /abcdefgh/);
    }
  }),
);
tidings.run();

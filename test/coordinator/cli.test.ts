// What an operator who is mistaken is told: the option or the file, and the mend.

import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCertificates } from '../fakes/certificates.ts';
import * as live from './live.ts';

const dir = mkdtempSync(join(tmpdir(), 'weir-cli-'));
process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
const at = (name: string): string => join(dir, name);

type Ran = Readonly<{ status: number; out: string; said: string }>;
const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      ['scripts/run.mjs', 'coordinator/cli.ts', ...argv],
      { env: { ...process.env, WEIR_FROM: dir, ...env }, timeout: 60_000 },
      (error, out, said) => resolve({ status: error === null ? 0 : Number(error.code), out, said }),
    ),
  );

const key = 'ab'.repeat(32);
const secret = 'postgresql://weir:hunter2@127.0.0.1:1/x';
const cli = suite('coordinator: the command line');
let secrets: readonly string[] = [];
const taken = createServer();
cli.before(async () => {
  const { status, out } = await run(['init', '--dir', 'a']);
  assert.is(status, 0);
  secrets = [...out.matchAll(/^(?:token|fleet) +(\S+)$/gm)].map(([, one = '']) => one);
  assert.is(secrets.length, 2);
  writeFileSync(at('file'), '');
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
});
cli.after(() => void taken.close());

cli('init leaves files that nobody else reads', () => {
  for (const name of ['root.key', 'command-1.key', 'fleet.password']) assert.is(statSync(at(`a/${name}`)).mode & 0o777, 0o600);
  assert.is(statSync(at('a')).mode & 0o777, 0o700);
  secrets = [...secrets, ...['root', 'command-1'].map((name) => /secret (\w+)/.exec(readFileSync(at(`a/${name}.key`), 'utf8'))?.[1] ?? '')];
});

const port = (): string => `127.0.0.1:${(taken.address() as { port: number }).port}`;
/** `{}` is a place that is taken. */
const rows: readonly Readonly<{ name: string; argv: string; env?: Record<string, string>; status?: number; says: RegExp }>[] = [
  { name: 'no such command', argv: 'begin', says: /no such command\n\nusage: / },
  { name: 'no folder said', argv: 'run', says: /--dir: has to be said/ },
  { name: 'a folder that is not there', argv: 'run --dir b', says: /\/b: is no coordinator’s folder: init makes one/ },
  { name: 'a folder in a folder that is not there', argv: 'init --dir b/c', says: /--dir: ENOENT/ },
  { name: 'a second init', argv: 'init --dir a', says: /\/a: is a coordinator’s folder already: run takes it/ },
  { name: 'an unknown option', argv: 'run --dir a --port 1', says: /--port: no such option; there are --dir, / },
  { name: 'no database’s URL', argv: 'init --dir b --database here:hunter2', says: /--database: expected postgresql:\/\// },
  { name: 'a database that does not answer', argv: `init --dir b --database ${secret}`, says: /database: connect ECONNREFUSED/ },
  { name: 'a port that is taken', argv: 'run --dir a --http {} --mqtt 127.0.0.1:0', says: /http: .*EADDRINUSE/ },
  { name: 'the broker’s, too', argv: 'run --dir a --http 127.0.0.1:0 --mqtt {}', says: /mqtt: .*EADDRINUSE/ },
  { name: 'no broker’s URL', argv: 'run --dir a --broker here', says: /--broker: expected mqtts:\/\/HOST:PORT/ },
  { name: 'a certificate without its key', argv: 'run --dir a --cert file', says: /--cert and --key: go together/ },
  { name: 'a certificate that is none', argv: 'run --dir a --mqtt 127.0.0.1:0 --cert file --key file', says: /certificate: or its key: / },
  { name: 'options of the other broker', argv: 'run --dir a --user weir', says: /--user: is said of a --broker elsewhere/ },
  { name: 'a root key that is not there', argv: `certify --root no --for ${key} --serial 2 --out o`, says: /--root: ENOENT/ },
  {
    name: 'another key for the root’s',
    argv: `certify --root a/command-1.key --for ${key} --serial 2 --out o`,
    says: /--root: no file of a root key/,
  },
  {
    name: 'a certificate that ends itself',
    argv: `certify --root a/root.key --for ${key} --serial 2 --void 3 --out o`,
    says: /--void: would end this/,
  },
  {
    name: 'a certificate over another',
    argv: `certify --root a/root.key --for ${key} --serial 2 --out a/command-1.certificate`,
    says: /--out: EEXIST/,
  },
  { name: 'no token', argv: 'ask GET /nodes', says: /WEIR_TOKEN: has to hold/ },
  {
    name: 'nobody there',
    argv: 'ask GET /nodes --url http://127.0.0.1:1',
    env: { WEIR_TOKEN: 'x' },
    says: /http:\/\/127.0.0.1:1: no coordinator answers/,
  },
  { name: 'no path', argv: 'ask GET nodes', env: { WEIR_TOKEN: 'x' }, says: /PATH: expected \/…/ },
];
for (const c of rows)
  cli(c.name, async () => {
    const { status, said } = await run(c.argv.replace('{}', port()).split(' '), { WEIR_TOKEN: '', ...c.env });
    assert.is(status, c.status ?? 2, said);
    assert.match(said, c.says);
    assert.is(/^\s+at |hunter2/m.test(said), false, said);
  });

cli('who has lost every token, and holds the folder', async () => {
  const made = await run(['operator', '--dir', 'a', '--name', 'ann', '--role', 'viewer']);
  assert.is(made.status, 0, made.said);
  assert.match(made.out, /^token +weir_[0-9a-f]{48}\n$/);
  const again = await run(['operator', '--dir', 'a', '--name', 'ann']);
  assert.equal([again.status, /name: there is an operator of this name/.test(again.said)], [2, true], again.said);
});

cli('files that others may read', async () => {
  for (const name of ['fleet.password', 'command-1.key']) {
    chmodSync(at(`a/${name}`), 0o644);
    const { status, said } = await run(['run', '--dir', 'a']);
    chmodSync(at(`a/${name}`), 0o600);
    assert.is(status, 2);
    assert.match(said, `coordinator: ${name}: others may read the file: chmod 600 (denied)\n`);
  }
});

cli('each command helps', async () => {
  for (const name of ['', 'init ', 'run ', 'operator ', 'key ', 'certify ', 'ask ', 'openapi ']) {
    const { status, out } = await run(`${name}--help`.split(' '));
    assert.is(status, 0);
    assert.match(out, `usage: scripts/coordinator ${name.trim()}`);
    assert.is(
      out.split('\n').some((line) => line.length > 150),
      false,
      out,
    );
  }
});

cli('its own broker, with a certificate that an authority has signed for another address', async () => {
  const { of, key } = makeCertificates();
  writeFileSync(at('certificate'), of.wrongName);
  writeFileSync(at('key'), key);
  const tls = ['--cert', at('certificate'), '--key', at('key')];
  const here = await live.spawnOne(at('a'), ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', ...tls]);
  const answer = await run(['ask', 'GET', `/nodes/${'a'.repeat(16)}`, '--url', `http://127.0.0.1:${here.http}`], {
    WEIR_TOKEN: `${secrets[0]}`,
  });
  assert.is(answer.status, 1);
  assert.match(answer.out, /"path": "node"/);
  const bad = await run(['ask', 'GET', '/nodes', '--url', `http://127.0.0.1:${here.http}`], { WEIR_TOKEN: 'wrong' });
  assert.is(bad.status, 1);
  assert.match(bad.out, /"reason": "no such token"/);
  here.child.kill('SIGTERM');
  const [code] = await new Promise<unknown[]>((resolve) => here.child.once('exit', (...how) => resolve(how)));
  assert.is(code, 0);
});

cli.run();

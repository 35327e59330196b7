// What the binary does before and beside any role: its options, its ceilings, how it ends.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asCommand } from '../../build/bytecode.ts';
import { interpreter, native } from '../../build/native.ts';

const binary = await native('host', [
  {
    name: 'cli.js',
    source: "import { word } from './shared-1.js'; import { args, print } from 'weir-host'; print('cli ' + word + ' ' + args);",
    isEntry: true,
  },
  { name: 'agent.js', source: "import { args, print } from 'weir-host'; print('agent ' + args);", isEntry: true },
  { name: 'shared-1.js', source: "export const word = 'shared';", isEntry: false },
  {
    name: 'enforcer.js',
    source:
      "import { args, print } from 'weir-host'; (args === '[]' ? import('./shared-1.js') : import('./nowhere.js')).then(({ word }) => print('on demand ' + word), (e) => print(e.message));",
    isEntry: true,
  },
]);
const empty = await interpreter('host');
const folder = mkdtempSync(join(tmpdir(), 'weir-options-'));

function run(program: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 });
  return { status, stdout, stderr };
}

function script(source: string, ...args: string[]): ReturnType<typeof run> {
  const file = join(folder, 'program.js');
  writeFileSync(file, source);
  return run(empty, ...args, '--script', file);
}

const roles = suite('roles');
const chosen = [
  { name: 'a role', args: ['agent', 'x', '--memory'], want: 'agent ["x","--memory"]' },
  { name: 'nothing', args: [], want: 'cli shared []' },
  { name: 'what is no role is for the command line', args: ['status', '-v'], want: 'cli shared ["status","-v"]' },
  { name: 'a shared module is no role', args: ['shared-1'], want: 'cli shared ["shared-1"]' },
  { name: 'a module on demand', args: ['enforcer'], want: 'on demand shared' },
  { name: 'no such module', args: ['enforcer', 'x'], want: 'no module nowhere.js inside' },
  { name: 'the host takes its options off', args: ['--memory', '4096', '--stack', '128', 'agent'], want: 'agent []' },
  { name: 'an option of the command line', args: ['--version'], want: 'cli shared ["--version"]' },
  { name: 'no file is run', args: ['--script', '/x.js'], want: 'cli shared ["--script","/x.js"]' },
];
for (const c of chosen) roles(c.name, () => assert.equal(run(binary, ...c.args), { status: 0, stdout: c.want, stderr: '' }));
roles('nothing of threads is in the engine', async () => {
  const source = "import { print } from 'weir-host'; print(typeof Atomics);";
  assert.is(run(await native('host', [asCommand(source)])).stdout, 'undefined');
});
roles('no text becomes code', async () => {
  const source = `import { print } from 'weir-host';
    const made = (f) => f.constructor;
    const ways = [globalThis.eval, Function, made(async () => {}), made(function* () {}), made(async function* () {})];
    for (const way of ways) try { way('1'); print('ran '); } catch (e) { print(e.message + '; '); }`;
  assert.is(run(await native('host', [asCommand(source)])).stdout, 'eval is not supported; '.repeat(5));
});
roles.run();

const options = suite('options');
const refused = [
  { name: 'a number', args: ['--memory', 'much'], says: /^weir: --memory wants a number of KB, not much\n$/ },
  { name: 'a number that is there', args: ['--stack'], says: /^weir: --stack wants a number of KB, not nothing\n$/ },
  { name: 'more than nothing', args: ['--memory', '0'], says: /not 0\n$/ },
  { name: 'no sign', args: ['--memory', '-1'], says: /not -1\n$/ },
  { name: 'no more than there can be', args: ['--memory', '99999999999999999999'], says: /wants a number/ },
  {
    name: 'no deeper stack than the system gives',
    args: ['--stack', '1000000'],
    says: /^weir: --stack 1000000: the system gives a stack of \d+ KB/,
  },
  { name: 'a file', args: ['--script'], says: /^weir: --script wants a file\n$/ },
  { name: 'a role that is inside', args: ['agent'], says: /^weir: no role agent inside\n/ },
];
for (const c of refused)
  options(`wants ${c.name}`, () => {
    const { status, stderr } = run(empty, ...c.args);
    assert.is(status, 64);
    assert.match(stderr, c.says);
  });
options('--host-help', () => {
  const { status, stdout } = run(binary, '--host-help');
  assert.is(status, 0);
  assert.match(stdout, /--memory KB/);
});
options.run();

const ends = suite('ends');
const endings = [
  { name: 'when nothing is left', source: '', status: 0, says: /^$/ },
  {
    name: 'when the last timer has fired',
    source: "import { onEvent, startTimer } from 'weir-host'; onEvent(() => {}); startTimer(1);",
    status: 0,
    says: /^$/,
  },
  {
    name: 'though a signal might come',
    source: "import { onEvent, watchSignal } from 'weir-host'; onEvent(() => {}); watchSignal('SIGTERM');",
    status: 0,
    says: /^$/,
  },
  {
    name: 'as it says, and runs nothing after',
    source: "import { exit, log } from 'weir-host'; try { exit(7); } catch { log('caught'); } finally { log('finally'); }",
    status: 7,
    says: /^$/,
  },
  {
    name: 'with an error',
    source: "function f() { throw new Error('lost'); }\nf();",
    status: 1,
    says: /^weir: uncaught: Error: lost\n.* f .*:1:/,
  },
  { name: 'with what is no error', source: "throw 'words';", status: 1, says: /^weir: uncaught: words\n$/ },
  {
    name: 'with a rejection that nobody handles',
    source: "void Promise.reject(new TypeError('lost'));",
    status: 1,
    says: /^weir: uncaught: TypeError: lost\n/,
  },
  {
    name: 'in peace when somebody does',
    source: 'const p = Promise.reject(1); await null; p.catch(() => {});\n',
    status: 0,
    says: /^$/,
  },
  {
    name: 'with an error in a handler',
    source: "import { onEvent, startTimer } from 'weir-host'; onEvent(() => { throw new Error('lost'); }); startTimer(0); startTimer(1e6);",
    status: 1,
    says: /^weir: uncaught: Error: lost\n/,
  },
  { name: 'with bad syntax', source: 'let let;', status: 1, says: /^weir: uncaught: SyntaxError: / },
  { name: 'with a module that is not there', source: "import './nowhere.js';", status: 1, says: /nowhere\.js: No such file/ },
  {
    name: 'waiting for nothing',
    source: 'await new Promise(() => {});',
    status: 13,
    says: /^weir: \S+ waits for something that can no longer happen\n$/,
  },
  {
    name: 'with an event that nobody hears',
    source: "import { startTimer } from 'weir-host'; startTimer(0);",
    status: 1,
    says: /^weir: fired for a handle, but nobody called onEvent\n$/,
  },
];
for (const c of endings)
  ends(c.name, () => {
    const { status, stderr } = script(c.source);
    assert.match(stderr, c.says);
    assert.is(status, c.status);
  });
ends('after modules beside it', () => {
  mkdirSync(join(folder, 'deep'), { recursive: true });
  writeFileSync(join(folder, 'deep/one.js'), "import { two } from '../two.js'; export const one = 'one ' + two;");
  writeFileSync(join(folder, 'two.js'), "export const two = 'two';");
  assert.is(script("import { print } from 'weir-host'; import { one } from './deep/one.js'; print(one);").stdout, 'one two');
});
ends('cleanly, also in the midst of a module', async () => {
  const file = join(folder, 'program.js');
  writeFileSync(file, "import { exit, onEvent } from 'weir-host'; onEvent(() => {}); exit(2); await 0;");
  assert.equal(run(await interpreter('asan'), '--script', file), { status: 2, stdout: '', stderr: '' });
});
ends.run();

const ceilings = suite('ceilings');
const full = 'weir: out of memory: the ceiling is 2048 KB (--memory)\n';
const hungry = [
  { name: 'many small ones', source: 'const all = []; for (;;) all.push({});' },
  { name: 'a large one', source: 'new ArrayBuffer(3 << 20);' },
  {
    name: 'an error of it cannot be caught',
    source: "try { new ArrayBuffer(3 << 20); } catch { await import('weir-host').then((h) => h.exit(0)); }",
  },
];
for (const c of hungry)
  ceilings(c.name, () => assert.equal(script(c.source, '--memory', '2048'), { status: 70, stdout: '', stderr: full }));
ceilings('rings are collected before it is reached', () => {
  const source = `import { onEvent, startTimer, memoryLimit, memoryUsed, print } from 'weir-host';
    const kept = new ArrayBuffer(1 << 20);
    let turns = 0;
    onEvent(() => {
      const ring = { bytes: new ArrayBuffer(1 << 14) };
      ring.ring = ring;
      if (++turns < 500) startTimer(0);
      else print(String(memoryUsed() < memoryLimit() && memoryUsed() > kept.byteLength));
    });
    startTimer(0);`;
  assert.equal(script(source, '--memory', '2048'), { status: 0, stdout: 'true', stderr: '' });
});
ceilings('what is free goes back to the kernel', () => {
  const source = `import { onEvent, startTimer, read, print } from 'weir-host';
    const textOf = (bytes) => String.fromCharCode(...new Uint8Array(bytes));
    const resident = () => Number(/RssAnon:\\s+(\\d+)/.exec(textOf(read('/proc/self/status', 4096)))[1]);
    const before = resident();
    const all = Array.from({ length: 40000 }, (_, i) => ({ bytes: new ArrayBuffer(i % 2000 === 0 ? 70000 : i % 900) }));
    const most = resident();
    const left = all.filter((_, i) => i % 1000 === 0);
    all.length = 0;
    onEvent(() => print(String(left.length === 40 && most - before > 10000 && resident() - before < (most - before) / 4)));
    startTimer(0);`;
  assert.equal(script(source), { status: 0, stdout: 'true', stderr: '' });
});
ceilings('a deep stack is an error of the program', () => {
  const { status, stderr } = script('const f = () => f() + 1; f();', '--stack', '64');
  assert.is(status, 1);
  assert.match(stderr, /stack overflow/);
});
ceilings('the deepest stack is one too', () => {
  const deepest = /gives a stack of (\d+) KB .* keeps (\d+)/.exec(run(empty, '--stack', '1000000').stderr);
  const { status, stderr } = script('const f = () => f() + 1; f();', '--stack', String(Number(deepest?.[1]) - Number(deepest?.[2])));
  assert.is(status, 1);
  assert.match(stderr, /stack overflow/);
});
ceilings.after(() => rmSync(folder, { recursive: true }));
ceilings.run();

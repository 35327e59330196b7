import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { leastMemory, runWasm } from '../../agent/host/wasm.ts';
import { survivesKilling } from './crash.ts';
import { assertPassed, bundleConformance, startFixture } from './fixture.ts';

const wasm = suite('wasm');

wasm('conforms', async () => {
  const { fixture, close } = await startFixture();
  let output = '';
  const print = (text: string): void => {
    output += text;
    host.print(text);
  };
  try {
    const running = await runWasm({
      host: { ...host, print },
      modules: new Map([['program.js', await bundleConformance()]]),
      entry: 'program.js',
      args: [JSON.stringify(fixture)],
      memoryLimit: 96 << 20,
      deadline: millis(20_000),
    });
    assert.equal(await running.ended, { ok: true, value: 0 });
    assertPassed(output);
  } finally {
    close();
  }
});

wasm('a killed writer leaves the old file or the new one', () =>
  survivesKilling(process.execPath, 'scripts/run.mjs', 'test/host/writer.ts', 'wasm'),
);

const programs = [
  { name: 'ends by itself when nothing is left to wait for', in: '1;', want: 'ended 0' },
  { name: 'exits', in: "import { exit } from 'weir-host'; exit(3);", want: 'ended 3' },
  { name: 'exits in spite of a catch', in: "import { exit } from 'weir-host'; try { exit(3); } catch { for (;;); }", want: 'ended 3' },
  { name: 'exits from a promise', in: "import { exit } from 'weir-host'; await null; exit(4);", want: 'ended 4' },
  { name: 'exits from an event', in: "import * as h from 'weir-host'; h.onEvent(() => h.exit(5)); h.startTimer(1);", want: 'ended 5' },
  {
    name: 'nothing of it runs after exit',
    in: "import { exit, log } from 'weir-host'; Promise.resolve().then(() => log('alive')); exit(6);",
    want: 'ended 6',
  },
  {
    name: 'waits for timers',
    in: "import * as h from 'weir-host'; h.onEvent((_, e) => h.log(e)); h.startTimer(1);",
    want: 'ended 0',
    log: 'fired',
  },
  {
    name: 'a signal alone keeps nothing alive',
    in: "import * as h from 'weir-host'; h.onEvent(() => h.log('?')); h.watchSignal('SIGUSR1');",
    want: 'ended 0',
  },
  { name: 'waits for nothing', in: 'await new Promise(() => {});', want: 'closed p.js: waits for what can never come' },
  { name: 'throws', in: "throw new RangeError('so');", want: 'foreign p.js: uncaught RangeError: so' },
  { name: 'throws in a promise', in: "await null; throw new RangeError('so');", want: 'foreign p.js: uncaught RangeError: so' },
  {
    name: 'throws in an event',
    in: "import * as h from 'weir-host'; h.onEvent(() => { throw new Error('so'); }); h.startTimer(1);",
    want: 'foreign p.js: uncaught Error: so',
  },
  { name: 'does not parse', in: 'let let', want: 'foreign p.js: uncaught SyntaxError' },
  { name: 'imports what is not there', in: "import './none.js';", want: 'foreign p.js: uncaught Error: no module none.js' },
  {
    name: 'imports a chunk',
    in: "import { two } from './chunk.js'; import { log } from 'weir-host'; log(String(two));",
    want: 'ended 0',
    log: '2',
  },
  { name: 'runs away', in: 'for (;;);', want: 'timeout p.js: computed for more than 2000 ms on one event' },
  { name: 'runs away in a promise', in: 'await null; for (;;);', want: 'timeout p.js: computed for more' },
  {
    name: 'runs away in an event',
    in: "import * as h from 'weir-host'; h.onEvent(() => { for (;;); }); h.startTimer(1);",
    want: 'timeout p.js: computed for more',
  },
  { name: 'runs away in spite of a catch', in: 'for (;;) try { for (;;); } catch {}', want: 'timeout p.js: computed for more' },
  {
    name: 'runs away by promises',
    in: 'const again = () => { Promise.resolve().then(again); }; again();',
    want: 'timeout p.js: computed for more',
  },
  {
    name: 'takes all memory',
    in: 'const all = []; for (;;) all.push(new Uint8Array(50_000));',
    want: 'limit p.js: out of memory: 16777216 bytes were not enough',
  },
  { name: 'takes all the stack', in: 'const f = () => 1 + f(); f();', want: 'foreign p.js: uncaught InternalError: stack overflow' },
  {
    name: 'nests beyond the stack',
    in: "JSON.parse('['.repeat(1_000_000));",
    want: 'foreign p.js: uncaught SyntaxError: stack overflow',
  },
  {
    name: 'uses a handle that is closed',
    in: "import * as h from 'weir-host'; h.close(7);",
    want: 'foreign p.js: uncaught RangeError: handle 7 is closed',
  },
  {
    name: 'sees the boot id of its host',
    in: "import * as h from 'weir-host'; h.log(String.fromCharCode(...new Uint8Array(h.read('/proc/sys/kernel/random/boot_id', 64))));",
    want: 'ended 0',
    log: 'this boot\n',
  },
  {
    name: 'knows its ceiling',
    in: "import * as h from 'weir-host'; h.log([h.memoryLimit(), h.memoryUsed() > 10_000].join(' '));",
    want: 'ended 0',
    log: '16777216 true',
  },
];
for (const c of programs) {
  wasm(c.name, async () => {
    const lines: string[] = [];
    const running = await runWasm({
      host: { ...host, log: (line) => lines.push(line), clock: { ...host.clock, bootId: () => 'this boot' } },
      modules: new Map([
        ['p.js', c.in],
        ['chunk.js', 'export const two = 2;'],
      ]),
      entry: 'p.js',
      args: [],
      memoryLimit: leastMemory,
      deadline: millis(2000),
    });
    const ended = await running.ended;
    const text = ended.ok ? `ended ${ended.value}` : `${ended.fault.code} ${ended.fault.path}: ${ended.fault.reason}`;
    assert.is(text.slice(0, c.want.length), c.want);
    assert.is(lines.join(), c.log ?? '');
  });
}

wasm('stopped: nothing of it is left', async () => {
  const { fixture, close } = await startFixture();
  let lines = 0;
  const source = `
    import * as h from 'weir-host';
    h.onEvent((handle, event) => { h.log(event); if (event === 'fired') h.startTimer(1); });
    h.startTimer(1);
    h.connectTcp('127.0.0.1', ${fixture.tcp.port});
    h.bindUdp('127.0.0.1', 0);
    h.spawn('["/bin/sh","-c","read wait"]', '[]', new ArrayBuffer(0), 60000, 10);`;
  try {
    const running = await runWasm({
      host: { ...host, log: () => lines++ },
      modules: new Map([['p.js', source]]),
      entry: 'p.js',
      args: [],
      memoryLimit: leastMemory,
      deadline: millis(2000),
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    running.stop();
    running.stop();
    const seen = lines;
    const ended = await running.ended;
    assert.is(ended.ok ? '' : ended.fault.code, 'closed');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(seen > 0);
    assert.is(lines, seen);
  } finally {
    close();
  }
});

wasm('one that breaks its ceiling leaves its neighbours alone', async () => {
  const wait = "import * as h from 'weir-host'; h.onEvent(() => h.exit(7)); h.startTimer(200);";
  const greedy = 'const all = []; for (;;) all.push(new Uint8Array(50_000));';
  const run = (source: string) =>
    runWasm({ host, modules: new Map([['p.js', source]]), entry: 'p.js', args: [], memoryLimit: leastMemory, deadline: millis(2000) });
  const all = await Promise.all([run(wait), run(greedy), run(wait)]);
  const ended = await Promise.all(all.map((running) => running.ended));
  assert.equal(
    ended.map((e) => (e.ok ? e.value : e.fault.code)),
    [7, 'limit', 7],
  );
});

wasm.run();

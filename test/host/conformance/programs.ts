import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../../agent/core/brand.ts';
import type { Ended, Host, SpawnRequest } from '../../../agent/ports/host.ts';
import { type Fixture, pattern } from './fixture.ts';
import { hex, later, textOf, within } from './line.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export function programs(host: Host, fixture: Fixture): void {
  const test = suite('programs');
  if (!fixture.programs) return;

  async function run(argv: SpawnRequest['argv'], more: Partial<SpawnRequest> = {}): Promise<Ended> {
    let inside = true;
    const ended = within(
      host,
      argv.join(' '),
      new Promise<Ended>((resolve, reject) => {
        host.process.spawn({ argv, deadline: millis(15_000), most: 100_000, ...more }, (result) => {
          if (inside) reject(new Error('done from inside spawn'));
          else if (result.ok) resolve(result.value);
          else reject(new Error(`${result.fault.code} ${result.fault.path}`));
        });
      }),
    );
    inside = false;
    return ended;
  }
  const shell = (script: string, more: Partial<SpawnRequest> = {}, ...args: string[]): Promise<Ended> =>
    run(['/bin/sh', '-c', script, 'sh', ...args], more);
  const show = (e: Ended): string => `${e.how} ${e.status} ${textOf(e.stdout)}|${textOf(e.stderr)}`;
  const refused = (argv: SpawnRequest['argv']): Promise<string> =>
    run(argv).then(
      (ended) => show(ended),
      (error: Error) => error.message,
    );

  const cases: readonly { name: string; script: string; more?: Partial<SpawnRequest>; args?: readonly string[]; want: string }[] = [
    { name: 'succeeds', script: 'echo out; echo err >&2', want: 'exited 0 out\n|err\n' },
    { name: 'fails with a status', script: 'exit 7', want: 'exited 7 |' },
    { name: 'killed by a signal', script: 'kill -TERM $$', want: 'signalled 15 |' },
    { name: 'reads its input', script: 'cat', more: { stdin: bytes('from us') }, want: 'exited 0 from us|' },
    { name: 'without input reads its end', script: 'cat; echo done', want: 'exited 0 done\n|' },
    { name: 'need not read its input', script: 'exit 0', more: { stdin: new Uint8Array(1_000_000) }, want: 'exited 0 |' },
    {
      name: 'has no environment but the one given',
      script: 'echo "$WEIR/$HOME"',
      more: { env: { WEIR: 'a b' } },
      want: 'exited 0 a b/\n|',
    },
    {
      name: 'takes what looks like shell as text',
      script: 'echo "$1"',
      args: ['$(id); `id` | * "quoted" \\'],
      want: 'exited 0 $(id); `id` | * "quoted" \\\n|',
    },
    { name: 'takes empty arguments', script: 'echo "$#"', args: ['', ''], want: 'exited 0 2\n|' },
  ];
  for (const c of cases) test(c.name, async () => assert.is(show(await shell(c.script, c.more, ...(c.args ?? []))), c.want));

  test('no shell between us and the program', async () => {
    assert.is(show(await run(['/bin/echo', '$HOME', ';', 'id'])), 'exited 0 $HOME ; id\n|');
  });

  test('a program that is not there', async () => assert.is(await refused(['/none/such']), 'ENOENT /none/such'));
  test('a file that is no program', async () => assert.is(await refused(['/proc/uptime']), 'EACCES /proc/uptime'));
  test('a directory', async () => assert.is(await refused(['/proc']), 'EACCES /proc'));
  test('no descriptor of ours reaches a program', async () => {
    const count = (): Promise<Ended> => shell('ls /proc/self/fd', { env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin' } });
    const before = show(await count());
    const nothing = { received: () => undefined, closed: () => undefined };
    const sockets = Array.from({ length: 10 }, () => host.net.bindUdp({ address: '127.0.0.1', port: 0 }, nothing));
    assert.is(show(await count()), before);
    for (const socket of sockets) if (socket.ok) socket.value.close();
  });

  test('large output and input are whole', async () => {
    const input = pattern(300_000);
    const ended = await shell('cat', { stdin: input, most: 300_000 });
    assert.is(ended.how, 'exited');
    assert.is(hex(host.sha256(ended.stdout)), hex(host.sha256(input)));
  });

  test('a flood is stopped, and what was to be kept is kept', async () => {
    for (const to of ['', ' >&2']) {
      const ended = await shell(`while :; do echo 0123456789${to}; done`, { most: 10_000 });
      assert.is(ended.how, 'flooded');
      assert.is(ended.stdout.length + ended.stderr.length, 10_000);
    }
  });

  test('exactly as much as is kept is no flood', async () => {
    assert.is(show(await shell('printf 12345', { most: 5 })), 'exited 0 12345|');
  });

  test('past its deadline it is killed, its children with it', async () => {
    // Until it comes as far as its child: how long a shell needs for that, nobody knows.
    let child = '';
    for (let deadline = 300; child === ''; deadline *= 2) {
      const ended = await shell('sleep 100 & echo $!; wait', { deadline: millis(deadline), env: { PATH: '/usr/bin:/bin' } });
      assert.is(ended.how, 'timed-out');
      child = textOf(ended.stdout).trim();
    }
    await gone(host, child);
  });

  test('one that catches signals is killed too', async () => {
    const ended = await shell("trap '' TERM INT HUP; while :; do :; done", { deadline: millis(300) });
    assert.is(ended.how, 'timed-out');
  });

  test('kill: no word more, and the whole group ends', async () => {
    let called = 0;
    const mark = `${fixture.temp}/pid`;
    const running = host.process.spawn(
      {
        argv: ['/bin/sh', '-c', `sleep 100 & echo $! > ${mark}.new; mv ${mark}.new ${mark}; wait`],
        env: { PATH: '/usr/bin:/bin' },
        deadline: millis(15_000),
        most: 10,
      },
      () => called++,
    );
    let pid = host.files.read(mark, 100);
    for (; !pid.ok; pid = host.files.read(mark, 100)) await later(host, 5);
    running.kill();
    running.kill();
    await gone(host, textOf(pid.value).trim());
    await later(host, 50);
    assert.is(called, 0);
    host.files.remove(mark);
  });

  test('ten at once', async () => {
    const ended = await Promise.all(Array.from({ length: 10 }, (_, i) => shell('echo "$1"', {}, String(i))));
    assert.equal(
      ended.map(show),
      Array.from({ length: 10 }, (_, i) => `exited 0 ${i}\n|`),
    );
  });

  test('signals reach us', async () => {
    const seen: string[] = [];
    const both = new Promise<void>((resolve) => {
      const note = (name: string) => () => {
        seen.push(name);
        if (seen.length === 2) resolve();
      };
      host.process.onSignal('SIGUSR1', note('SIGUSR1'));
      host.process.onSignal('SIGHUP', note('SIGHUP'));
    });
    await shell('kill -USR1 "$1"', {}, String(host.process.pid));
    while (seen.length === 0) await later(host, 1);
    await shell('kill -HUP "$1"', {}, String(host.process.pid));
    await within(host, 'signals', both);
    assert.equal(seen, ['SIGUSR1', 'SIGHUP']);
  });

  test.run();
}

/** Waits until a process is dead: gone, or a zombie that nobody has buried yet. */
async function gone(host: Host, pid: string): Promise<void> {
  assert.match(pid, /^\d+$/);
  for (let left = 2000; left > 0; left--) {
    const stat = host.files.read(`/proc/${pid}/stat`, 4096);
    if (!stat.ok || /\) Z /.test(textOf(stat.value))) return;
    await later(host, 10);
  }
  throw new Error(`process ${pid} lives on`);
}

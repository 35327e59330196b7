import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bring, type Machine } from './ground/machines.ts';
import { host, runRouter } from './ground/router.ts';

const router = suite('router');

const modules = ['wireguard', 'nf_tables', 'nft_quota', 'nft_limit', 'nf_flow_table', 'nft_flow_offload', 'sch_cake', 'sch_netem'];
const cases: readonly { machine: Machine; release: RegExp; cpu: RegExp }[] = [
  { machine: 'mipsel', release: /^6\.1\..*-4kc-malta$/, cpu: /MIPS 24Kc/ },
  { machine: 'x86_64-6.1', release: /^6\.1\..*-amd64$/, cpu: /QEMU/ },
  { machine: 'x86_64-6.12', release: /^6\.12\..*-amd64$/, cpu: /QEMU/ },
];

// Every answer stands on a line of its own, after the name of its question.
const script = (port: number): string => `
echo "release $(uname -r)"
echo "cpu $(grep -m1 -E 'cpu model|model name' /proc/cpuinfo)"
echo "modules $(lsmod | cut -d' ' -f1 | tr '\\n' ' ')"
echo "greeting $(cat /etc/greeting) $(stat -c %a /etc/greeting)"
echo "server $(echo marco | nc ${host} ${port})"
echo "clock $(date +%s)"
echo "beyond $(nc -w 2 192.0.2.1 80 2>&1)"
ip link add wg0 type wireguard && echo "wireguard $(cat /sys/class/net/wg0/type)"
printf 'loud' >&2
exit 37
`;

for (const { machine, release, cpu } of cases) {
  router(`${machine} runs a script, with modules, files and the network`, async () => {
    const server = createServer((socket) => socket.on('data', (bytes) => socket.end(`${String(bytes).trim()} polo\n`)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { output, status } = await runRouter({
        machine,
        script: script((server.address() as AddressInfo).port),
        modules,
        files: { '/etc/greeting': { bytes: 'grüß dich', mode: 0o640 } },
        timeoutMs: 120_000,
      });
      const [answers = '', loud] = output.split(/\n(?=loud$)/);
      const answer = Object.fromEntries(answers.split('\n').map((line) => /^(\w+) (.*)$/.exec(line)?.slice(1) ?? [line, '']));
      assert.is(status, 37);
      assert.is(loud, 'loud');
      assert.match(answer['release'], release);
      assert.match(answer['cpu'], cpu);
      for (const name of modules) assert.ok(answer['modules'].split(' ').includes(name), `${name} is loaded`);
      assert.is(answer['greeting'], 'grüß dich 640');
      assert.is(answer['server'], 'marco polo');
      // Certificates need a router that knows the day.
      assert.ok(Math.abs(Number(answer['clock']) - Date.now() / 1000) < 3600, answer['clock']);
      assert.match(answer['beyond'], 'Network is unreachable');
      assert.is(answer['wireguard'], '65534');
    } finally {
      server.close();
    }
  });
}

router('a module that the kernel has not is said before anything boots', () => {
  assert.throws(() => bring('mipsel').modules(['wireguard', 'nft_nonesuch']), 'the kernel has no module nft_nonesuch');
});

router.run();

// Routers that are broken, one way after the other: `weir doctor` names that cause and its remedy and nothing else, and ends with 1 where
// something does not work. What one row has mended is well in the next.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import type { Finding } from '../../agent/core/doctor.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as fields from '../../agent/wire/fields.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as at from './ground/addresses.ts';
import { pass } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

type Context = { it: Post; holder: ChildProcess | null; session: string };
type Act = (c: Context) => Promise<unknown>;
type Told = readonly [grade: Finding['grade'], about: string, says: RegExp, mend: RegExp];
type Row = Readonly<{
  name: string;
  /** It happens while no enforcer runs. */
  isBefore?: true;
  spoil: Act;
  mend: Act;
  want: readonly Told[];
}>;

const sh =
  (script: (folder: string) => string): Act =>
  ({ it }) =>
    it.ground.in('router').run(['sh', '-ec', script(it.folder)]);
const call = async ({ it }: Context, object: string, method: string, args: Fields = {}): Promise<Table> =>
  post.must(await it.root.call(object, method, plain.table(args), millis(5000)));
const uci =
  (config: string, section: string, values: Fields): Act =>
  async (c) => {
    await call(c, 'uci', 'set', { config, section, values });
    await call(c, 'uci', 'commit', { config });
    if (config === 'network') await call(c, 'network', 'reload');
  };

/** In nft's place: as if the kernel had not what the pattern says. */
const lacking = (pattern: string): Act =>
  sh(
    () => `mv /usr/sbin/nft /usr/sbin/nft.real
cat >/usr/sbin/nft <<'END'
#!/bin/sh
text=$(cat)
if echo "$text" | grep -q '${pattern}'; then echo 'Error: Could not process rule: No such file or directory' >&2; exit 1; fi
echo "$text" | /usr/sbin/nft.real "$@"
END
chmod 755 /usr/sbin/nft`,
  );
const nftBack = sh(() => 'mv /usr/sbin/nft.real /usr/sbin/nft');
/** The kernel's WireGuard would be back by itself. */
const tunnelBack: Act = async ({ it }) => {
  const from = it.lines.length;
  await it.ground.startDevice();
  it.signal('SIGHUP');
  await it.says(/shares on weir0/, from);
  await it.address();
};
const lack = (what: RegExp, mend: RegExp): Told => ['bad', 'kernel', what, mend];

const rows: readonly Row[] = [
  {
    name: 'nft is not there',
    isBefore: true,
    spoil: sh(() => 'mv /usr/sbin/nft /usr/sbin/nft.real'),
    mend: nftBack,
    want: [['bad', 'sharing', /nft does not start/, /as said below/], lack(/nft does not start/, /nftables/)],
  },
  {
    name: 'no kmod-nft-netdev',
    isBefore: true,
    spoil: lacking('netdev weir_. .*hook'),
    mend: nftBack,
    want: [['bad', 'sharing', /^rules on a device, ingress/, /as said below/], ...Array(3).fill(lack(/device/, /install kmod-nft-netdev/))],
  },
  {
    name: 'no kmod-nft-connlimit: shares all the same',
    isBefore: true,
    spoil: lacking('ct count'),
    mend: nftBack,
    want: [lack(/ct count/, /install kmod-nft-connlimit/)],
  },
  {
    name: 'another program has the port',
    isBefore: true,
    async spoil(c) {
      const listen = "require('dgram').createSocket('udp4').bind(7777, () => console.log('bound'))";
      c.holder = c.it.ground.in('router').spawn([process.execPath, '-e', listen]);
      if (c.holder.stdout !== null) await once(c.holder.stdout, 'data');
      await uci('weir', 'tunnel', { port: '7777' })(c);
    },
    async mend(c) {
      c.holder?.kill('SIGKILL');
      await uci('weir', 'tunnel', { port: `${at.tunnel.port}` })(c);
    },
    want: [
      ['bad', 'sharing', /EADDRINUSE/, /port/],
      ['bad', 'port', /UDP port 7777/, /weir\.tunnel\.port/],
    ],
  },
  {
    name: 'somebody else drops what comes out of the tunnel',
    isBefore: true,
    spoil: sh(
      () => `nft 'add table netdev other; add chain netdev other c { type filter hook ingress device weir0 priority -500; policy drop; }'`,
    ),
    mend: sh(() => 'nft delete table netdev other'),
    want: [['bad', 'sharing', /^canary\.up/, /nft list ruleset/]],
  },
  {
    name: 'the addresses for guests are in use',
    isBefore: true,
    spoil: sh(() => 'ip route add 10.64.7.0/24 dev br-lan'),
    mend: sh(() => 'ip route del 10.64.7.0/24 dev br-lan'),
    want: [['bad', 'sharing', /overlaps 10\.64\.7\.0\/24/, /weir\.tunnel\.pool4/]],
  },
  {
    name: 'the ledger is damaged',
    isBefore: true,
    spoil: async ({ it }) => writeFileSync(join(it.folder, 'ledger'), 'no ledger\n'),
    mend: ({ it }) => it.weir('resume'),
    want: [['bad', 'sharing', /not a ledger/, /^weir resume$/]],
  },
  {
    name: 'the flash can only be read',
    isBefore: true,
    spoil: sh((folder) => `rm -f ${folder}/ledger; mount --bind ${folder} ${folder}; mount -o remount,bind,ro ${folder}`),
    mend: sh((folder) => `umount ${folder}`),
    want: [
      ['bad', 'sharing', /EROFS/, /can only be read/],
      ['bad', 'trouble', /EROFS/, /can only be read/],
    ],
  },
  {
    name: 'the flash is full',
    isBefore: true,
    spoil: sh(
      (folder) => `cp -p ${folder}/key /run/over; mount -t tmpfs -o size=8k,mode=700 full ${folder}; cp -p /run/over/key ${folder}
cat /dev/zero >${folder}/zero || true`,
    ),
    mend: sh((folder) => `umount ${folder}`),
    want: [
      ['bad', 'sharing', /ENOSPC/, /remove packages/],
      ['bad', 'trouble', /ENOSPC/, /remove packages/],
    ],
  },
  {
    name: 'others may read the key of the tunnel',
    isBefore: true,
    spoil: sh((folder) => `chmod 644 ${folder}/key`),
    mend: sh((folder) => `chmod 600 ${folder}/key`),
    want: [['bad', 'sharing', /others than root may read the key/, /chmod 600/]],
  },
  {
    name: 'there is no user weir',
    isBefore: true,
    spoil: sh(() => 'sed -i s/^weir:/reiw:/ /etc/passwd'),
    mend: sh(() => 'sed -i s/^reiw:/weir:/ /etc/passwd'),
    want: [['bad', 'sharing', /no user weir/, /install the package weir/]],
  },
  {
    name: 'the uplink is down',
    spoil: (c) => call(c, 'network.interface.wan', 'down'),
    mend: (c) => call(c, 'network.interface.wan', 'up'),
    want: [['bad', 'uplink wan', /is down/, /ifup wan/]],
  },
  {
    name: 'the uplink is none',
    spoil: uci('weir', 'tunnel', { uplink: ['wan7'] }),
    mend: uci('weir', 'tunnel', { uplink: ['wan'] }),
    want: [['bad', 'uplink wan7', /no such network/, /weir\.tunnel\.uplink/]],
  },
  {
    name: 'the uplink has no address',
    spoil: uci('network', 'wan', { ipaddr: '' }),
    mend: uci('network', 'wan', { ipaddr: at.wan.v4 }),
    want: [['bad', 'uplink wan', /no address/, /provider/]],
  },
  {
    name: 'the uplink leads nowhere',
    spoil: uci('network', 'wan', { gateway: '' }),
    mend: uci('network', 'wan', { gateway: at.gateway.v4 }),
    want: [['bad', 'uplink wan', /no default route/, /gateway/]],
  },
  {
    name: 'carrier NAT, hardware offload, no clock, and changes in LuCI that wait to be confirmed',
    async spoil(c) {
      await uci('network', 'wan', { ipaddr: '100.64.3.4' })(c);
      await uci('firewall', '@defaults[0]', { flow_offloading: '1', flow_offloading_hw: '1' })(c);
      await sh(() => 'rm /run/weir/clock')(c);
      c.session = post.must(fields.string(await call(c, 'session', 'create', { timeout: 60 }), 'ubus_rpc_session'));
      const mine = { ubus_rpc_session: c.session };
      await call(c, 'session', 'grant', { ...mine, scope: 'uci', objects: ['read', 'write'].map((right) => ['system', right]) });
      await call(c, 'uci', 'set', { ...mine, config: 'system', section: 'system', values: { hostname: 'other' } });
      await call(c, 'uci', 'apply', { ...mine, rollback: true, timeout: 60 });
    },
    async mend(c) {
      await call(c, 'uci', 'confirm', { ubus_rpc_session: c.session });
      await sh(() => 'touch /run/weir/clock')(c);
      await uci('firewall', '@defaults[0]', { flow_offloading: '', flow_offloading_hw: '' })(c);
      await uci('network', 'wan', { ipaddr: at.wan.v4 })(c);
    },
    want: [
      ['note', 'offload', /hardware/, /flow_offloading_hw=0/],
      ['note', 'uplink wan', /CGNAT/, /public address/],
      ['note', 'LuCI', /wait to be confirmed/, /confirm or revert/],
      ['note', 'clock', /NTP/, /sysntpd/],
    ],
  },
  {
    name: 'a slip of the pen',
    spoil: uci('weir', 'limits', { sessions: 'many' }),
    mend: uci('weir', 'limits', { sessions: '20' }),
    want: [
      ['bad', 'settings', /^weir\.limits\.sessions/, /etc\/config\/weir/],
      ['note', 'trouble', /^weir\.limits\.sessions/, /logread/],
    ],
  },
  {
    name: 'the bus does not know the agent’s rights, and nobody may start either process',
    spoil: sh(() => 'rm /usr/share/acl.d/weir.json /usr/sbin/ujail'),
    mend: sh(() => 'touch /usr/share/acl.d/weir.json /usr/sbin/ujail'),
    want: [
      ['bad', 'ACL', /weir\.json/, /install the package weir/],
      ['bad', 'jail', /ujail/, /install procd-ujail/],
    ],
  },
  {
    name: 'the agent has ended, and others may read its key',
    spoil: (c) => Promise.all([c.it.served.kill(), sh(() => 'mkdir -p /etc/weir/agent; touch /etc/weir/agent/key')(c)]),
    mend: (c) => Promise.all([c.it.served.start(), sh(() => 'rm /etc/weir/agent/key')(c)]),
    want: [
      ['bad', 'agent', /not running/, /init\.d\/weir start/],
      ['bad', 'key', /others may read/, /chmod 600/],
    ],
  },
  {
    name: 'the network of the tunnel is deleted',
    spoil: async (c) => {
      await call(c, 'uci', 'delete', { config: 'firewall', section: 'weir_zone' });
      await call(c, 'uci', 'commit', { config: 'firewall' });
    },
    async mend(c) {
      await c.it.weir('setup');
      await tunnelBack(c);
    },
    want: [['bad', 'sharing', /^firewall\.weir_zone/, /^weir setup/]],
  },
  {
    name: 'no WireGuard',
    spoil: sh(() => 'ip link del weir0'),
    mend: tunnelBack,
    want: [['bad', 'sharing', /no WireGuard/, /kmod-wireguard/]],
  },
  {
    name: 'the enforcer has ended',
    spoil: ({ it }) => it.kill(),
    mend: ({ it }) => it.start(),
    want: [['bad', 'enforcer', /not running/, /init\.d\/weir start/]],
  },
];

/** What is not good, without what is so on every ground: wireguard-go. */
async function examine(it: Post): Promise<Readonly<{ code: unknown; found: readonly Finding[] }>> {
  const { code, stdout } = await it.weir('doctor', '--json');
  const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
  return { code, found: findings.filter((f) => f.grade !== 'good' && f.about !== 'tunnel') };
}
const isSaid = (found: readonly Finding[], want: readonly Told[]): boolean =>
  found.length === want.length &&
  want.every(([grade, about, says, mend], i) => {
    const f = found[i];
    return f?.grade === grade && f.about === about && says.test(f.says) && mend.test(f.mend);
  });
async function finds(it: Post, want: readonly Told[]): Promise<void> {
  for (let tries = 0; ; tries++) {
    // Told in its turn: what was to be settled is.
    await it.ask('read');
    const { code, found } = await examine(it);
    if (!isSaid(found, want)) {
      if (tries === 100) throw new Error(`${JSON.stringify(found, null, 1)}\n${it.lines.slice(-5).join('\n')}`);
      await pass(it, 200);
      continue;
    }
    assert.is(code, want.some(([grade]) => grade === 'bad') ? 1 : 0);
    return;
  }
}

export function story(which: 'all' | readonly string[]): void {
  const doctor = suite<Context>('weir doctor');
  doctor.before(async (context) => {
    const it = await post.open(post.config({ 'limits.link_up': '20000', 'limits.link_down': '20000' }), { consumers: [] });
    Object.assign(context, { it, holder: null, session: '' });
    // A router's own files, to be broken for this namespace alone.
    await sh(
      () => `mkdir /run/over && mount -t tmpfs over /run/over
for each in usr etc; do
  mkdir /run/over/$each /run/over/$each.work
  mount -t overlay over -o lowerdir=/$each,upperdir=/run/over/$each,workdir=/run/over/$each.work /$each
done
mkdir -p /usr/share/acl.d /run/weir; touch /usr/share/acl.d/weir.json /usr/sbin/ujail /run/weir/clock`,
    )(context);
    await it.begin();
    await it.served.start();
  });
  doctor.after(({ it }) => it.close());

  for (const row of rows.filter(({ name }) => which === 'all' || which.includes(name)))
    doctor(row.name, async (context) => {
      const { it } = context;
      if (row.isBefore) await it.kill();
      const from = it.lines.length;
      await row.spoil(context);
      try {
        if (row.isBefore) {
          await it.start();
          await it.says(/shares (on|nothing)/, from);
        }
        await finds(it, row.want);
      } finally {
        await row.mend(context);
      }
    });
  doctor('all is mended', ({ it }) => finds(it, []));
  doctor.run();
}

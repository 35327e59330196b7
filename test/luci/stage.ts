// A router on the ground for LuCI's pages: native agent and enforcer among the fakes of its daemons, or among the real ubusd, procd, rpcd and
// netifd, where a person logs in with a password and rpcd reads our ACL file.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import * as wire from '../../agent/wire/enforcer.ts';
import * as fields from '../../agent/wire/fields.ts';
import { native } from '../../build/native.ts';
import * as plain from '../fakes/plain.ts';
import * as routers from '../fakes/real-router.ts';
import * as at from '../net/ground/addresses.ts';
import type { Ground } from '../net/ground/ground.ts';
import { createGround } from '../net/ground/ground.ts';
import type { Post, Program } from '../net/post.ts';
import * as post from '../net/post.ts';
import type { Login } from './gateway.ts';
import * as gateway from './gateway.ts';

export type Stage = Pick<Post, 'ground' | 'rows' | 'month' | 'root' | 'served'> &
  Readonly<{
    enforcer: Program;
    login: Login;
    /** What the kernel and netifd do once the network is set up. */
    bringUp(): Promise<void>;
    close(): Promise<void>;
  }>;

const config = post.config({ 'limits.session_quota': '64' });
const consumers = ['c'];
const { must } = gateway;

export async function faked(): Promise<Stage> {
  const it = await post.open(config, { consumers });
  const { ground, address } = it;
  return {
    ...it,
    enforcer: it,
    login: gateway.grantAll,
    async bringUp() {
      await ground.startDevice();
      await address();
    },
  };
}

const network = `
config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	list ipaddr '${at.home.v4}/24'
	list ip6addr '${at.home.ula}/64'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	list ipaddr '${at.wan.v4}/24'
	option gateway '${at.gateway.v4}'
	list ip6addr '${at.wan.v6}/64'
	option ip6gw '${at.gateway.v6}'
	list dns '${at.gateway.v4}'

`;
const password = 'sharing';
const users = ['read', 'write'] as const;
/** As the owner's own login, and one that may only read; the hash is of the password. */
const logins = users.map(
  (user) => `
config login
	option username '${user}'
	option password '$1$weir$ZLOWopXQ5NkDB98Obqol20'
	list read 'luci-app-weir'
${user === 'write' ? "\tlist write 'luci-app-weir'\n" : ''}`,
);

export async function real(): Promise<Stage> {
  const binary = await native('host');
  const dir = mkdtempSync(join(tmpdir(), 'weir-luci-'));
  const ground: Ground = await createGround({ tunnel: 'none', consumers });
  const place = ground.in('router');
  const router = await routers.start(
    { ...post.configs, network, weir: config, rpcd: logins.join('') },
    {
      network: place.pid,
      files: {
        'usr/share/rpcd/acl.d/luci-app-weir.json': readFileSync(gateway.aclFile, 'utf8'),
        'usr/lib/os-release': 'OPENWRT_BOARD="test/router"\nOPENWRT_RELEASE="OpenWrt 25.12.5"\n',
        'tmp/sysinfo/board_name': 'test,router\n',
        'tmp/sysinfo/model': 'Test router\n',
        'usr/share/acl.d/weir.json': readFileSync('openwrt/weir/files/weir.acl.json', 'utf8'),
      },
    },
  );
  const program = (role: 'agent' | 'enforcer', begun: RegExp): Program => {
    mkdirSync(join(dir, role), { mode: 0o700 });
    return post.programOf(place, [binary, role], { UBUS_SOCKET: router.socket, WEIR_FOLDER: join(dir, role) }, begun);
  };
  const enforcer = program('enforcer', /weir\.enforcer is there/);
  const served = program('agent', /link: no broker is set/);
  const patience = millis(30_000);
  const root: Bus = must(await ubus.open(host, { path: router.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
  const ask = async (method: string) => must(await root.call('weir.enforcer', method, [], patience));
  const rows = async (): Promise<wire.Page['rows']> => must(wire.decodePage(await ask('read'))).rows;
  return {
    ground,
    enforcer,
    served,
    root,
    rows,
    async month() {
      await rows();
      return must(fields.integer(await ask('facts'), 'month_used'));
    },
    async login(bus, rights) {
      const told = must(await bus.call('session', 'login', plain.table({ username: rights, password, timeout: 300 }), patience));
      return `${plain.fields(told)['ubus_rpc_session']}`;
    },
    bringUp: ground.startDevice,
    async close() {
      await served.kill();
      await enforcer.kill();
      root.close();
      await router.stop();
      await ground.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

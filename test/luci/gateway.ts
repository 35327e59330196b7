// uhttpd with LuCI on it, for a browser: hands out the pages, and carries ubus over HTTP with the rights of an rpcd session that has logged in.
// Knows no router: the bus behind it may be of fakes or of the real daemons.

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { type Result, text } from '../../agent/core/result.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import { luci } from '../../build/luci.ts';
import * as words from '../../build/luci-words.ts';
import type { Plain } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';

export type Rights = 'read' | 'write';
export type Gateway = Readonly<{
  /** Of a page, for whoever logs in with these rights. */
  url(page: string, terms?: Readonly<{ rights?: Rights; language?: string }>): string;
  /** Which methods were called through HTTP, and which were refused. */
  asked: ReadonlySet<string>;
  refused: ReadonlySet<string>;
  /** Of what is named here the next answer comes too late. */
  late: Set<string>;
  /** Whoever is logged in is not any more; the next page is of a login of its own. */
  logOut(): Promise<void>;
  close(): void;
}>;
/** Logs in, and says the session's id. */
export type Login = (bus: Bus, rights: Rights) => Promise<string>;

const patience = millis(20_000);
/** A folder with LuCI's own `luci-static`: then its scripts and its theme are used. */
const theirs = process.env['LUCI'] ?? null;
export const aclFile = 'openwrt/luci-app-weir/root/usr/share/rpcd/acl.d/luci-app-weir.json';
export const acl = JSON.parse(readFileSync(aclFile, 'utf8')) as Acl;
type Scope = readonly string[] | Readonly<Record<string, readonly string[]>>;
export type Acl = Readonly<Record<string, Readonly<Record<Rights, Readonly<Record<string, Scope>>>>>>;

export const must = <T>(result: Result<T>): T => {
  if (result.ok) return result.value;
  throw new Error(text(result.fault));
};

/** JSON's numbers as rpcd and uhttpd make them: int32 where they fit. */
function fromJson(value: unknown): Plain {
  if (typeof value === 'number' && Number.isInteger(value) && value !== (value | 0)) return BigInt(value);
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, fromJson(one)]));
  return value as Plain;
}
const tableOf = (json: unknown): Table => plain.table(fromJson(json) as plain.Fields);
const toJson = (value: unknown): string => JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? Number(v) : v));

/** What rpcd grants at a login, done by hand: of each group what it says to read, and to write. */
export const grantAll: Login = async (bus, rights) => {
  const created = plain.fields(must(await bus.call('session', 'create', plain.table({ timeout: 0 }), patience)));
  const ubus_rpc_session = `${created['ubus_rpc_session']}`;
  const grant = async (scope: string, objects: readonly (readonly [string, string])[]): Promise<void> =>
    void must(await bus.call('session', 'grant', plain.table({ ubus_rpc_session, scope, objects }), patience));
  for (const group of Object.values(acl))
    for (const right of rights === 'write' ? (['read', 'write'] as const) : (['read'] as const))
      for (const [scope, objects] of Object.entries(group[right]))
        await grant(
          scope,
          Array.isArray(objects)
            ? objects.map((object) => [object, right] as const)
            : Object.entries(objects as Readonly<Record<string, readonly string[]>>).flatMap(([object, methods]) =>
                methods.map((method) => [object, method] as const),
              ),
        );
  return ubus_rpc_session;
};

export async function open(bus: Bus, login: Login): Promise<Gateway> {
  const app = await luci();
  const [asked, refused, late] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const logIn = async (): Promise<Readonly<Record<Rights, string>>> => ({
    read: await login(bus, 'read'),
    write: await login(bus, 'write'),
  });
  let sids = await logIn();

  /** uhttpd's: the session's rights first, then the call, with the session among its arguments. */
  async function call(request: unknown): Promise<unknown> {
    const { id, method, params } = request as { id: number; method: string; params: readonly unknown[] };
    const says = (rest: object): object => ({ jsonrpc: '2.0', id, ...rest });
    // What LuCI's own scripts ask at their start.
    if (method === 'list') return says({ result: {} });
    const [sid, object, name, args] = params as [string, string, string, object];
    // Whoever has a session may ask what it may do.
    if (object === 'session' && name === 'access') return says({ result: [0, { access: true }] });
    if (object === 'luci' || (theirs !== null && name === 'changes')) return says({ result: [0, {}] });
    const access = await bus.call(
      'session',
      'access',
      plain.table({ ubus_rpc_session: sid, scope: 'ubus', object, function: name }),
      patience,
    );
    if (!access.ok || plain.fields(access.value)['access'] !== true) {
      refused.add(`${object}.${name}`);
      return says({ error: { code: -32002, message: 'Access denied' } });
    }
    asked.add(`${object}.${name}`);
    const isLate = late.delete(`${object}.${name}`);
    const answer = await bus.call(object, name, tableOf({ ...args, ubus_rpc_session: sid }), patience);
    if (isLate) return says({ result: [7] });
    if (answer.ok) return says({ result: answer.value.length === 0 ? [0] : [0, plain.fields(answer.value)] });
    if (answer.fault.code === 'missing' && answer.fault.path === object)
      return says({ error: { code: -32000, message: 'Object not found' } });
    return says({ result: [{ missing: 4, denied: 6, malformed: 2, timeout: 7 }[answer.fault.code as string] ?? 9] });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(`${request.url}`, 'http://router');
    const send = (type: string, body: string | Buffer, status = 200): void =>
      void response.writeHead(status, { 'content-type': type }).end(body);
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const json = JSON.parse(Buffer.concat(chunks).toString()) as unknown;
      return send('application/json', toJson(Array.isArray(json) ? await Promise.all(json.map(call)) : await call(json)));
    }
    const script = app.files.get(`/www${pathname}`);
    if (script !== undefined) return send('text/javascript; charset=utf-8', Buffer.from(script));
    const [, page] = /^\/cgi-bin\/luci\/admin\/services\/weir\/(\w+)$/.exec(pathname) ?? [];
    if (page !== undefined)
      return send(
        'text/html; charset=utf-8',
        (theirs === null ? ourShell : theirShell)(
          page,
          sids[searchParams.get('rights') === 'read' ? 'read' : 'write'],
          `${searchParams.get('language')}`,
        ),
      );
    if (theirs !== null && pathname.startsWith('/luci-static/')) return send(typeOf(pathname), readFileSync(join(theirs, pathname)));
    if (pathname === '/runtime.js') return send('text/javascript; charset=utf-8', readFileSync('test/luci/runtime.js'));
    return pathname === '/favicon.ico' ? send('image/x-icon', '') : send('text/plain', 'nothing here', 404);
  }
  const server = createServer((request, response) => void serve(request, response).catch((error) => response.destroy(error as Error)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: (page, { rights = 'write', language = 'en' } = {}) =>
      `http://127.0.0.1:${port}/cgi-bin/luci/admin/services/weir/${page}?rights=${rights}&language=${language}`,
    asked,
    refused,
    late,
    async logOut() {
      for (const ubus_rpc_session of Object.values(sids))
        must(await bus.call('session', 'destroy', plain.table({ ubus_rpc_session }), patience));
      sids = await logIn();
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const head =
  '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Weir</title><meta name="viewport" content="width=device-width, initial-scale=1">';

/** As LuCI's server hands them to the browser: by the hash of each text. */
const wordsIn = (language: string, key: (text: string) => string): string => {
  const known = words.languages.find((one) => one === language);
  const translated = known === undefined ? [] : [...words.parse(readFileSync(words.catalogue(known), 'utf8'))];
  return `window.TR = ${JSON.stringify(Object.fromEntries(translated.map(([text, translation]) => [key(text), translation])))}`;
};

const typeOf = (path: string): string =>
  path.endsWith('.js') ? 'text/javascript; charset=utf-8' : path.endsWith('.css') ? 'text/css; charset=utf-8' : 'image/*';

/** What LuCI's templates say on a router. */
const theirShell = (page: string, sid: string, language: string): string => `${head}
<script>${wordsIn(language, (text) => words.hash(text).toString(16).padStart(8, '0'))}</script>
<script>document.documentElement.setAttribute('data-darkmode', matchMedia('(prefers-color-scheme: dark)').matches)</script>
<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css"><script src="/luci-static/resources/cbi.js"></script></head>
<body><header><a class="brand" href="/">OpenWrt</a><ul class="nav" id="topmenu"></ul><div id="indicators" class="pull-right"></div></header>
<div id="maincontent" class="container"><div id="tabmenu"></div>
<script src="/luci-static/resources/promis.min.js"></script><script src="/luci-static/resources/luci.js"></script>
<script>L = new LuCI({ media: '/luci-static/bootstrap', resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '', documentroot: '/www',
requestpath: [], dispatchpath: [], pollinterval: 5, ubuspath: '/ubus', sessionid: '${sid}', token: '', nodespec: { satisfied: true },
apply_rollback: 90, apply_holdoff: 4, apply_timeout: 5, apply_display: 1.5 });</script>
<div id="view"><div class="spinning">…</div>
<script>L.require('ui').then((ui) => ui.instantiateView('weir/${page}'))</script></div></div></body></html>`;

const ourShell = (page: string, sid: string, language: string): string => `${head}
<script>${wordsIn(language, (text) => text)}</script>
<style>
:root { color-scheme: light dark }
body { font: 14px/1.45 system-ui, 'DejaVu Sans', sans-serif; margin: 0; background: Canvas; color: CanvasText }
#maincontent { max-width: 1100px; margin: 0 auto; padding: 1em }
.hidden, [hidden] { display: none !important }
.btn { font: inherit; padding: .3em .9em; border: 1px solid #8888; border-radius: 4px; background: ButtonFace; color: ButtonText; text-decoration: none; display: inline-block; cursor: pointer }
.cbi-button-positive { background: #2a7d3a; color: #fff } .cbi-button-negative { background: #b3261e; color: #fff } .cbi-button-action { background: #0b6cab; color: #fff }
.alert-message { border: 1px solid #8888; border-left: 4px solid #8888; padding: .5em .8em; margin: .5em 0; border-radius: 4px }
.alert-message.error { border-left-color: #d33 } .alert-message.warning { border-left-color: #e0a000 } .alert-message.success { border-left-color: #2a7d3a }
.table { width: 100%; border-collapse: collapse } .th, .td { text-align: left; padding: .4em .5em; border-bottom: 1px solid #8884 }
.right { text-align: right; margin-top: .8em }
#modal_overlay { position: fixed; inset: 0; background: #000a; overflow: auto; display: none; padding: 1em; box-sizing: border-box }
.modal-overlay-active #modal_overlay { display: block } .modal { background: Canvas; max-width: 700px; margin: 2em auto; padding: 1em; border-radius: 6px }
input, select, textarea { font: inherit }
</style>
<script src="/runtime.js" data-sid="${sid}" data-page="${page}"></script></head>
<body><div id="modal_overlay"></div><div id="maincontent"><div id="view">…</div></div></body></html>`;

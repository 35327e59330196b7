// The consumer's side as a program: makes the keys, asks a coordinator for a session, brings the tunnel up, countersigns from its own counters,
// and shows what it costs.
// `scripts/consumer --help`.

import { appendFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import * as client from '../agent/consumer/client.ts';
import * as configuration from '../agent/consumer/configuration.ts';
import * as counters from '../agent/consumer/counters.ts';
import * as keys from '../agent/consumer/keys.ts';
import * as terms from '../agent/consumer/terms.ts';
import { renderSize } from '../agent/core/amount.ts';
import type { ByteCount, PublicKey } from '../agent/core/brand.ts';
import { millis } from '../agent/core/brand.ts';
import type { Due, Receipt } from '../agent/core/receipt.ts';
import { amountOf } from '../agent/core/receipt.ts';
import { type Fault, ok, type Result, text, under } from '../agent/core/result.ts';
import type { Pair, Quota } from '../agent/core/seat.ts';
import { host } from '../agent/host/node.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import { isLie, type Lie, lies, lying } from '../test/consumer/liar.ts';
import * as opening from './consumer-open.ts';
import * as desk from './desk.ts';
import * as tunnels from './tunnel.ts';

const help = `usage: scripts/consumer keys FILE
       scripts/consumer open --from URL --key ROOT --offer NAME --quota SIZE --days N [--node NODE] [--wg-only]
                             --keys FILE --config WG.conf --grant FILE [--json]
       scripts/consumer run --keys FILE --config WG.conf --grant FILE [--from URL --key ROOT] [--json]
       scripts/consumer ask METHOD PATH [FIELD=VALUE ...] --from URL --key ROOT --keys FILE

keys makes FILE (0600, never written over) with the secrets of the tunnel and of the countersignatures, or reads it, and prints the public
keys: they are what a grant is made for.

open asks a coordinator that knows this consumer for a session, sees that it got what it asked for, writes both files, and goes on as run. With
--wg-only the session is for a stock WireGuard app, which cannot countersign: the configuration has its key in it and is shown as a QR code, and
nothing is brought up.
  --from URL    of the coordinator, which is told of disputes; --key ROOT is its root, known from elsewhere. Its address is reached outside of
                the tunnel, so that a session whose quota is spent can be topped up (by ask); in a stock app the tunnel is turned off for that
  --quota SIZE  both directions together: 500M, 20G
  --node NODE   by this router, and no other

ask is the coordinator's HTTP API (coordinator/openapi.json), signed with the consumer's key:
  ask GET /offers      ask POST /sessions/ID/top-up bytes=1000000000 seconds=0      ask DELETE /sessions/ID      ask GET /ledger

run brings the tunnel up in this network namespace (as root: by the kernel's WireGuard, else by wireguard-go), countersigns the router's
receipts when they fit this machine's own counters, disputes them when they do not, and shows what passed and what it costs. It ends with
the session's last receipt or with Ctrl-C, and takes the tunnel down. Name servers are left as they are.
  --config    as WireGuard's apps take it; without PrivateKey the one of --keys is meant
  --grant     signed messages, one in hex on each line: the grant, the node's birth, a coordinator's certificate;
              read again when it has changed, since a top-up is a new grant
  --key HEX   a public key to trust, of the node or of a root; may be given more than once, but with --from it is the coordinator's root alone,
              for which requests are signed
  --book      what was countersigned so far (default: the grant's file with .book)
  --save      appends each receipt, in hex, for scripts/verify
  --device    the tunnel's name (default weirnet)
  --json      one JSON object for each event
  --lie       a test aid, for the other end to be tested: ${lies.join(', ')}

Ends with 0, with 1 when a receipt was disputed, with 2 when it could not begin.`;

const mostBytes = 1 << 20;
/** In which the router says its last receipt again, if it missed the answer. */
const farewell = millis(3000);

const refuse = (why: Fault | string): number => {
  console.error(`consumer: ${typeof why === 'string' ? why : text(why)}`);
  return 2;
};
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);

function readText(name: string, path: string): Result<string> {
  const read = host.files.read(path, mostBytes);
  return read.ok ? { ok: true, value: new TextDecoder().decode(read.value) } : { ok: false, fault: under(name, read.fault) };
}

function showKeys(path: string, isJson: boolean): number {
  const made = keys.create(host, path);
  if (!made.ok && made.fault.code !== 'EEXIST') return refuse(made.fault);
  const read = keys.read(host, path);
  if (!read.ok) return refuse(read.fault);
  const { tunnel, signer } = read.value.public;
  const shown = { key: base64(tunnel), consumer: hexOf(signer) };
  console.log(isJson ? JSON.stringify(shown) : `WireGuard   ${shown.key}\nconsumer    ${shown.consumer}`);
  return 0;
}

const leftOf = (quota: Quota): string =>
  quota.kind === 'shared' ? renderSize(quota.bytes) : `${renderSize(quota.up)} up, ${renderSize(quota.down)} down`;

/** Only the consumer's own figures show what a router says too much. */
async function tell(to: desk.Desk, dispute: Uint8Array, screen: ReturnType<typeof screenOf>): Promise<void> {
  const told = await desk.tell(to, dispute);
  if (told.ok) screen.event({ event: 'told' }, 'the coordinator knows of the dispute');
  else screen.event({ event: 'fault', ...told.fault }, text(told.fault));
}

type Options = Readonly<{
  from: string | undefined;
  keys: string;
  config: string;
  grant: string;
  trusted: readonly PublicKey[];
  book: string;
  save: string | undefined;
  device: string;
  isJson: boolean;
  lie: Lie | undefined;
}>;

async function run(options: Options): Promise<number> {
  const own = keys.read(host, options.keys);
  if (!own.ok) return refuse(own.fault);
  const { signer } = own.value;
  const { trusted, from } = options;
  const [root] = trusted;
  const coordinator = from === undefined || root === undefined ? null : desk.at(from, signer, root);
  const readTerms = (): Result<terms.Terms> => {
    const lines = readText('grant', options.grant);
    return lines.ok ? terms.parse(lines.value, trusted, signer.key, host) : lines;
  };
  const agreed = readTerms();
  if (!agreed.ok) return refuse(agreed.fault);
  const written = readText('config', options.config);
  const parsed = written.ok ? configuration.parse(written.value) : written;
  if (!parsed.ok) return refuse(under('config', parsed.fault));
  const { anchor, grant } = agreed.value;
  if (!parsed.value.hasSecret && grant.peer !== base64(own.value.public.tunnel)) return refuse('the grant is for another WireGuard key');

  // It has to hear of a top-up once the quota is spent, and nothing passes the tunnel then.
  const outside = from === undefined ? ok([]) : await desk.addressesOf(from);
  if (!outside.ok) return refuse(outside.fault);
  const tunnel = tunnels.up(options.device, parsed.value, base64(own.value.tunnel), outside.value);
  if (!tunnel.ok) return refuse(tunnel.fault);
  const { device, kind } = tunnel.value;
  const count = (): Result<Pair<ByteCount>> => {
    const dev = readText('counters', '/proc/net/dev');
    return dev.ok ? counters.parse(dev.value, device, kind) : dev;
  };
  const ground = options.lie === undefined ? { net: host.net, count } : lying(options.lie, host, signer, count);

  const changedAt = (): number | undefined => statSync(options.grant, { throwIfNoEntry: false })?.mtimeMs;
  let current = agreed.value;
  let stamp: number | undefined;
  let last: Receipt | null = null;
  const said = { agreed: 0, disputed: 0 };
  const screen = screenOf(options.isJson);
  let settle: (why: string) => void = () => undefined;
  const finished = new Promise<string>((resolve) => {
    settle = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) host.process.onSignal(signal, () => settle('stopped'));
  const started = client.start(
    { ...host, net: ground.net },
    {
      terms() {
        const now = changedAt();
        if (now === stamp) return current;
        stamp = now;
        const next = readTerms();
        if (next.ok && next.value.anchor.session === anchor.session) current = next.value;
        return current;
      },
      learn(message) {
        const lines = readText('grant', options.grant);
        const more = lines.ok ? terms.parse(`${lines.value}\n${hexOf(message)}\n`, trusted, signer.key, host) : lines;
        // One that is not of these terms stays unknown, and the receipt that names it is disputed.
        if (more.ok) appendFileSync(options.grant, `\n${hexOf(message)}\n`);
      },
      signer,
      addresses: parsed.value.addresses.map((address) => address.replace(/\/.*/, '')),
      path: options.book,
      count: ground.count,
    },
    {
      heard(receipt, opinion, message, dispute) {
        if (opinion.kind === 'known') return;
        const why = opinion.kind === 'disputed' ? ` because of its ${opinion.reason}` : '';
        const { sequence, counted, due, left, final } = receipt;
        screen.event({ event: 'receipt', sequence, opinion, counted, due, left, final }, `receipt ${sequence}: ${opinion.kind}${why}`);
        if (opinion.kind === 'wanting') return;
        if (dispute !== null && coordinator !== null) void tell(coordinator, dispute, screen);
        said[opinion.kind] += 1;
        last = receipt;
        if (options.save !== undefined) appendFileSync(options.save, `${hexOf(message)}\n`);
        if (final !== null) host.clock.after(farewell, () => settle(final));
      },
      failed: (why) => screen.event({ event: 'fault', ...why }, text(why)),
    },
  );
  if (!started.ok) {
    tunnel.value.down();
    return refuse(started.fault);
  }
  screen.event(
    { event: 'begun', session: anchor.session, device, kind },
    `session ${anchor.session} by ${device}, WireGuard of the ${kind}`,
  );
  const show = (): void => {
    const { own: counted } = started.value.book();
    const cost = grant.price === null ? null : { amount: amountOf(counted, grant.price), price: grant.price };
    screen.usage({ event: 'usage', counted, cost }, usage(counted, cost, last, said));
    timer = host.clock.after(millis(1000), show);
  };
  let timer = host.clock.after(millis(0), show);
  const why = await finished;
  timer.cancel();
  started.value.close();
  tunnel.value.down();
  const { own: counted } = started.value.book();
  screen.event({ event: 'ended', why, counted, ...said, receipt: last }, summary(why, counted, last, said));
  return said.disputed > 0 ? 1 : 0;
}

type Said = Readonly<{ agreed: number; disputed: number }>;

const usage = (counted: Pair<ByteCount>, cost: Due | null, last: Receipt | null, { agreed, disputed }: Said): string =>
  [
    `up ${renderSize(counted.up)}  down ${renderSize(counted.down)}`,
    ...(cost === null ? [] : [opening.money(cost)]),
    ...(last === null ? [] : [`left ${leftOf(last.left)}`]),
    `${agreed} countersigned${disputed > 0 ? `, ${disputed} disputed` : ''}`,
  ].join('  ');

function summary(why: string, counted: Pair<ByteCount>, last: Receipt | null, { agreed, disputed }: Said): string {
  const mine = `own counters: ${counted.up} bytes up, ${counted.down} down`;
  if (last === null) return `${why}; no receipt was heard\n${mine}`;
  const { sequence, counted: billed, due } = last;
  return [
    `${why}; receipt ${sequence} is the last: ${billed.up} bytes up, ${billed.down} down${due === null ? '' : `, ${opening.money(due)}`}`,
    mine,
    `${agreed} countersigned, ${disputed} disputed`,
  ].join('\n');
}

/** One line that is drawn again on a terminal; elsewhere a line for each event, and none for the usage. */
function screenOf(isJson: boolean) {
  const isTerminal = process.stdout.isTTY && !isJson;
  const clear = isTerminal ? '\r\x1b[K' : '';
  const print = (line: string): void => void process.stdout.write(line);
  return {
    event: (event: object, line: string): void => print(isJson ? `${JSON.stringify(event, plain)}\n` : `${clear}${line}\n`),
    usage(event: object, line: string): void {
      if (isJson) print(`${JSON.stringify(event, plain)}\n`);
      else if (isTerminal) print(`${clear}${line}`);
    },
  };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      keys: { type: 'string' },
      config: { type: 'string' },
      grant: { type: 'string' },
      key: { type: 'string', multiple: true, default: [] },
      book: { type: 'string' },
      save: { type: 'string' },
      device: { type: 'string', default: 'weirnet' },
      json: { type: 'boolean', default: false },
      lie: { type: 'string' },
      from: { type: 'string' },
      offer: { type: 'string' },
      quota: { type: 'string' },
      days: { type: 'string' },
      node: { type: 'string' },
      'wg-only': { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  // The programs here run in the project's folder; names are of the folder it was called from.
  const at = (path: string): string => resolve(process.env['WEIR_FROM'] ?? '.', path);
  const [verb, ...words] = positionals;
  const { keys: keyFile, config, grant, key, book, save, device, json: isJson, lie, from, offer, quota, days, node } = values;
  if (values.help === true) {
    console.log(help);
    return 0;
  }
  if (key.some((hex) => !/^[0-9a-f]{64}$/.test(hex))) return refuse('--key: expected 32 bytes in hex');
  if (from !== undefined && key.length !== 1) return refuse('--key: with --from once, the coordinator’s root');
  if (!/^[a-z][a-z0-9-]{0,14}$/.test(device)) return refuse('--device: expected up to 15 letters and digits');
  if (lie !== undefined && !isLie(lie)) return refuse(`--lie: one of ${lies.join(', ')}`);
  const trusted = key.map((hex) => bytesOf(hex) as PublicKey);
  const [root] = trusted;
  const [first, second, ...fields] = words;
  if (verb === 'keys' && first !== undefined && second === undefined) return showKeys(at(first), isJson);
  if (verb === 'ask' && second !== undefined && from !== undefined && root !== undefined && keyFile !== undefined)
    return ask(from, at(keyFile), root, `${first}`, second, fields);
  if (first !== undefined || keyFile === undefined || config === undefined || grant === undefined) return refuse(`\n${help}`);
  const files = { keys: at(keyFile), config: at(config), grant: at(grant) };
  const isForApp = values['wg-only'];
  if (verb === 'open' && from !== undefined && root !== undefined && offer !== undefined && quota !== undefined && days !== undefined) {
    const opened = await opening.open(files, from, { offer, node: node ?? null, quota, days, isForApp }, root);
    if (!opened.ok) return refuse(opened.fault);
    screenOf(isJson).event({ event: 'opened', ...opened.value }, opened.value.text);
    if (isForApp) return 0;
  } else if (verb !== 'run') return refuse(`\n${help}`);
  if (host.process.uid !== 0) return refuse('a tunnel needs root');
  return run({
    ...files,
    from,
    trusted,
    book: at(book ?? `${grant}.book`),
    save: save === undefined ? undefined : at(save),
    device,
    isJson,
    lie,
  });
}

async function ask(
  from: string,
  keyFile: string,
  root: PublicKey,
  method: string,
  path: string,
  fields: readonly string[],
): Promise<number> {
  const own = keys.read(host, keyFile);
  if (!own.ok) return refuse(own.fault);
  const body: [string, string | number][] = [];
  for (const field of fields) {
    const [, name, value] = /^([a-z_]+)=(.*)$/su.exec(field) ?? [];
    if (name === undefined || value === undefined) return refuse(`${field}: expected FIELD=VALUE`);
    body.push([name, /^\d{1,16}$/.test(value) ? Number(value) : value]);
  }
  const answer = await desk.at(from, own.value.signer, root).ask(method, path, body.length === 0 ? undefined : Object.fromEntries(body));
  if (!answer.ok) return refuse(answer.fault);
  console.log(typeof answer.value === 'string' ? answer.value.trimEnd() : JSON.stringify(answer.value, null, 2));
  return 0;
}

const status = await main();
// A dispute that nobody takes would keep it here.
process.stdout.write('', () => process.exit(status));

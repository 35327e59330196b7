// The command line: asks the bus and prints. Ends with 0, with 1 when something is not as it should be, with 2 for a command it does not
// know. Acts by itself only to pause when nobody else is there to do it.

import './host/globals.ts';
import * as netlink from './adapters/netlink.ts';
import * as route from './adapters/route.ts';
import * as ubus from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import { millis } from './core/brand.ts';
import { device } from './core/claim.ts';
import type { Finding } from './core/doctor.ts';
import { fault, ok, type Result, text } from './core/result.ts';
import type { Row } from './core/session.ts';
import { version } from './core/version.ts';
import { host } from './host/quickjs.ts';
import { busOf, die } from './role.ts';
import type { Table, Value } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as wire from './wire/enforcer.ts';
import * as fields from './wire/fields.ts';
import * as report from './wire/report.ts';
import * as rtnetlink from './wire/rtnetlink.ts';
import * as sections from './wire/sections.ts';

const help = `usage: weir COMMAND

  status      what enforcer and agent do; --json for programs
  doctor      what is wrong, and how to mend it; --json for programs
  setup       makes the tunnel's network and firewall zone
  share       begins to share, within the limits of /etc/config/weir
  pause       everybody out, and nobody in
  resume      ends the pause
  teardown    takes network and zone away again
  version     the version of Weir
  agent       the agent itself, as procd runs it
  enforcer    the enforcer itself, as procd runs it
  --help      this text, or with a command what it does
`;

const more: Readonly<Record<string, string>> = {
  status: 'weir status [--json]\n\nEnds with 1 when something is not as it should be; weir doctor says why.\n',
  doctor: 'weir doctor [--json]\n\nTries what the kernel can do and looks at what is around. Ends with 1 when something does not work.\n',
  setup:
    'weir setup\n\nWrites network.weir0 and the zone weir to UCI and commits these alone; changes of others stay pending. Twice is once.\nAfter somebody has deleted one of them, Weir shares nothing until this is run again.\n',
  share:
    'weir share\n\nThe yes without which nothing is shared: sets weir.share.accepted. Look at the limits first, and at what your\nprovider allows.\n',
  pause:
    "weir pause\n\nRemoves the tunnel's device, with everybody in it, and sets weir.share.paused. Works when no process of Weir runs.\n",
  resume: 'weir resume\n\nClears weir.share.paused. A ledger that cannot be read begins anew, with nothing used this month.\n',
  teardown: 'weir teardown\n\nEverybody out, and network, zone, rules and routes of ours are gone. /etc/config/weir stays.\n',
};

type Bus = ubus.Bus;
const patience = millis(20_000);
/** LuCI lets its user confirm for up to 90 s, and until then nobody may commit. */
const long = millis(150_000);

/** A refusal of the enforcer's is an answer, too. */
async function call(bus: Bus, method: string, args: Table = [], within = patience): Promise<Result<Table>> {
  const answer = await bus.call('weir.enforcer', method, args, within);
  if (!answer.ok || !fields.has(answer.value, 'fault')) return answer;
  const told = wire.decodeRefusal(answer.value);
  return told.ok ? { ok: false, fault: told.value } : told;
}

const isAbsent = (r: Result<unknown>): boolean => !r.ok && r.fault.code === 'missing' && r.fault.path === 'weir.enforcer';
const wordsOf = (r: Result<unknown>): string => (r.ok ? '' : isAbsent(r) ? 'is not running' : text(r.fault));

// Printing

function json(value: Value): string {
  switch (value.kind) {
    case 'table':
      return `{${value.fields.map((f) => `${JSON.stringify(f.name)}:${json(f.value)}`).join(',')}}`;
    case 'array':
      return `[${value.fields.map((f) => json(f.value)).join(',')}]`;
    case 'int8':
      return value.value === 0 ? 'false' : 'true';
    case 'int64':
      return `${value.value}`;
    case 'string':
      return JSON.stringify(typeof value.value === 'string' ? value.value : '');
    case 'null':
      return 'null';
    default:
      return JSON.stringify(value.value);
  }
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
function size(bytes: bigint): string {
  let [n, unit] = [Number(bytes), 0];
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit === 0 ? n : n.toFixed(1)} ${units[unit]}`;
}

const left = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  const [h, m] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return seconds === 0 ? 'over' : h > 0 ? `${h}h${`${m}`.padStart(2, '0')}` : `${m}m${`${seconds % 60}`.padStart(2, '0')}`;
};

const quota = (q: Row['quota']): string => (q.kind === 'shared' ? size(q.bytes) : `${size(q.up)}/${size(q.down)}`);
const columns = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padStart([5, 7, 11, 11, 11][i] ?? 0))).join('  ');

/** No line is longer than a console is wide. */
function wrap(first: string, words: string): string {
  const indent = ' '.repeat(9);
  const lines: string[] = [];
  let line = first.padEnd(indent.length);
  for (const word of words.split(' ')) {
    if (line.length + word.length > 79 && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  return `${[...lines, line.trimEnd()].join('\n')}\n`;
}

// Commands

async function status(bus: Bus, isJson: boolean): Promise<number> {
  const asked = await call(bus, 'settings');
  const parsed = asked.ok ? sections.parse(asked.value) : null;
  const facts = await call(bus, 'facts');
  const rows = await allRows(bus);
  const agent = await bus.call('weir', 'status', [], patience);
  const isConnected = agent.ok && word(agent.value, 'link') === 'connected';
  if (isJson) {
    const table = (r: Result<Table>): Value => (r.ok ? blobmsg.nested(r.value) : blobmsg.nothing);
    host.print(`${json(blobmsg.nested(blobmsg.table({ enforcer: table(facts), sessions: rows.json, agent: table(agent) })))}\n`);
  } else {
    const enforcer = (line: string): void => host.print(`enforcer: ${line}\n`);
    if (parsed === null) enforcer(wordsOf(asked));
    else if (parsed.ok) enforcer('settings: in order');
    else for (const wrong of parsed.faults) enforcer(`settings: ${text(wrong)}`);
    if (facts.ok) for (const line of linesOf(facts.value)) enforcer(line);
    if (rows.rows.length > 0) host.print(`${columns(['slot', 'left', 'up', 'down', 'quota', 'key'])}\n`);
    for (const r of rows.rows)
      host.print(
        `${columns([`${r.slot}`, left(r.left), size(r.counted.up), size(r.counted.down), quota(r.quota), `${r.key?.slice(0, 12) ?? 'none'}`])}\n`,
      );
    if (agent.ok)
      for (const { name, value } of agent.value) host.print(`agent: ${name}: ${value.kind === 'string' ? value.value : value.kind}\n`);
    else host.print(`agent: ${agent.fault.code === 'missing' ? 'is not running' : text(agent.fault)}\n`);
  }
  return parsed?.ok && isConnected ? 0 : 1;
}

const word = (t: Table, name: string): string | null => {
  const value = fields.string(t, name);
  return value.ok ? value.value : null;
};

function linesOf(facts: Table): readonly string[] {
  const why = word(facts, 'why');
  const [used, cap, port] = [fields.integer(facts, 'month_used'), fields.integer(facts, 'month_cap'), fields.integer(facts, 'port')];
  const troubles = fields.array(facts, 'troubles');
  return [
    why === null
      ? `shares on UDP port ${port.ok ? port.value : '?'} (${word(facts, 'tunnel')}, rules ${word(facts, 'rules')})`
      : `shares nothing: ${why}`,
    ...(used.ok ? [`month: ${size(used.value)}${cap.ok ? ` of ${size(cap.value)}` : ''} of the line`] : []),
    ...(troubles.ok ? troubles.value.map((v) => `trouble: ${v.kind === 'string' ? v.value : ''}`) : []),
  ];
}

async function allRows(bus: Bus): Promise<Readonly<{ rows: readonly Row[]; json: Value }>> {
  const rows: Row[] = [];
  const raw: Value[] = [];
  let from: Row['slot'] | null = 1 as Row['slot'];
  while (from !== null) {
    const answer: Result<Table> = await call(bus, 'read', wire.encodeSpan({ from, most: 256 }));
    const page = answer.ok ? wire.decodePage(answer.value) : answer;
    const list = answer.ok ? fields.array(answer.value, 'sessions') : answer;
    if (!page.ok || !list.ok) break;
    rows.push(...page.value.rows);
    raw.push(...list.value);
    from = page.value.next;
  }
  return { rows, json: blobmsg.array(raw) };
}

async function doctor(bus: Bus, isJson: boolean): Promise<number> {
  const answer = await call(bus, 'doctor', [], millis(60_000));
  const told = answer.ok ? report.decodeFindings(answer.value) : answer;
  const enforcer: readonly Finding[] = told.ok
    ? told.value
    : [bad('enforcer', wordsOf(told), '/etc/init.d/weir start; then logread -e weir')];
  const agent = await bus.find('weir');
  const findings: readonly Finding[] = [
    ...enforcer,
    agent.ok ? good('agent', 'is running') : bad('agent', 'is not running', '/etc/init.d/weir start; then logread -e weir'),
    ...filesThere.map(([path, about, mend]) =>
      host.files.stat(path).ok ? good(about, `${path} is there`) : bad(about, `there is no ${path}`, mend),
    ),
    ...(host.files.stat('/usr/bin/auc').ok || host.files.stat('/usr/sbin/owut').ok
      ? [
          {
            grade: 'note',
            about: 'upgrade',
            says: 'an attended sysupgrade builds an image from package feeds',
            mend: 'Weir must be in one of them, or be installed again afterwards',
          } as const,
        ]
      : []),
  ];
  if (isJson) host.print(`${json(blobmsg.nested(report.encodeFindings(findings)))}\n`);
  else
    for (const f of findings) {
      host.print(wrap(f.grade === 'good' ? '  ok' : f.grade === 'note' ? 'NOTE' : ' BAD', `${f.about}: ${f.says}`));
      if (f.mend !== '') host.print(wrap('', `mend: ${f.mend}`));
    }
  return findings.some((f) => f.grade === 'bad') ? 1 : 0;
}

const good = (about: string, says: string): Finding => ({ grade: 'good', about, says, mend: '' });
const bad = (about: string, says: string, mend: string): Finding => ({ grade: 'bad', about, says, mend });
const filesThere = [
  ['/usr/share/acl.d/weir.json', 'ACL', 'install the package weir again: without it the agent may ask nothing'],
  ['/sbin/ujail', 'jail', 'install procd-ujail: without it neither process is started'],
] as const;

async function order(bus: Bus, name: string): Promise<number> {
  const answer = await call(bus, name, [], long);
  if (name === 'pause' && (isAbsent(answer) || (!answer.ok && answer.fault.code === 'timeout'))) return pauseAlone(bus);
  if (!answer.ok) {
    host.log(`weir ${name}: ${wordsOf(answer)}`);
    return 1;
  }
  const changed = fields.boolean(answer.value, 'changed');
  host.print(changed.ok && !changed.value ? 'nothing to do\n' : 'done\n');
  return 0;
}

/** The device first: its peers go with it, and nobody can come in again. */
async function pauseAlone(bus: Bus | null): Promise<number> {
  const socket = netlink.open(host, rtnetlink.protocol);
  const listen = () => ok(undefined);
  const removed = socket.ok ? await route.open({ socket: socket.value, listen }).removeDevice(device) : socket;
  const written =
    bus === null
      ? ({ ok: false, fault: fault('missing', 'ubus', 'is not running') } as const)
      : await uci.set({ call: bus.call, clock: host.clock }, 'weir', 'share', new Map([['paused', '1']]));
  for (const r of [removed, written]) if (!r.ok) host.log(`weir pause: ${text(r.fault)}`);
  if (removed.ok) host.print(`${device} is gone, and everybody in it\n`);
  if (!written.ok) host.log('weir pause: not written down; for good: uci set weir.share.paused=1; uci commit weir');
  return removed.ok && written.ok ? 0 : 1;
}

async function run(name: string, isJson: boolean): Promise<number> {
  const opened = await ubus.open(host, { ...busOf(host), whenLost: 'end', lost: (why) => die(host, why) });
  if (opened.ok)
    return name === 'status' ? status(opened.value, isJson) : name === 'doctor' ? doctor(opened.value, isJson) : order(opened.value, name);
  host.log(`the bus is not there: ${text(opened.fault)}`);
  return name === 'pause' ? pauseAlone(null) : 1;
}

const [command, ...rest] = host.process.args;
const about = command === undefined || !Object.hasOwn(more, command) ? undefined : more[command];
const isJson = rest.join() === '--json' && (command === 'status' || command === 'doctor');
if (command === undefined || (command === '--help' && rest.length === 0)) host.print(help);
else if (command === 'version' && rest.length === 0) host.print(`${version}\n`);
else if (about !== undefined && rest.join() === '--help') host.print(about);
else if (about !== undefined && (rest.length === 0 || isJson)) void run(command, isJson).then((code) => host.process.exit(code));
else {
  host.log(`weir: no such command: ${host.process.args.join(' ')}\n${help}`);
  host.process.exit(2);
}

// `weir status` and `weir doctor`: asks enforcer and agent, and says it in words. Part of the command line's root; mends nothing.

import type { Command, Desk } from './cli-bus.ts';
import { command, isAbsent } from './cli-bus.ts';
import * as amount from './core/amount.ts';
import { millis, seconds } from './core/brand.ts';
import { type Finding, filterOf } from './core/doctor.ts';
import { ok, type Result, text } from './core/result.ts';
import type { Row } from './core/session.ts';
import type { FileStat, Host } from './ports/host.ts';
import type { Table, Value } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as console from './wire/console.ts';
import * as wire from './wire/enforcer.ts';
import * as fields from './wire/fields.ts';
import * as report from './wire/report.ts';
import * as sections from './wire/sections.ts';

export const help = {
  status: `weir status [--json]

Settings, what is shared, who is in, and how the agent does. Ends with 1 when
something is not as it should be; weir doctor says why.
`,
  doctor: `weir doctor [--json]

Tries what the kernel can do and looks at what is around. Ends with 1 when
something does not work.
`,
};

const json = { options: { json: 'flag' } } as const;
const commands = {
  status: command(json, async (desk, { options }) => ok(await status(desk, options.json === true))),
  doctor: command(json, async (desk, { options }) => ok(await doctor(desk, options.json === true))),
};
export const run: Command = (host, name, args) => commands[name as keyof typeof commands](host, name, args);

const wordsOf = (r: Result<unknown>): string => {
  if (r.ok) return '';
  return isAbsent(r.fault, 'weir') || isAbsent(r.fault, 'weir.enforcer') ? 'is not running' : text(r.fault);
};

async function status({ host, ask }: Desk, isJson: boolean): Promise<number> {
  const asked = await ask('weir.enforcer', 'settings');
  const parsed = asked.ok ? sections.parse(asked.value) : null;
  const facts = await ask('weir.enforcer', 'facts');
  const rows = await allRows(ask);
  const agent = await ask('weir', 'status');
  // No link is in order where no broker is set.
  const isLinked =
    agent.ok && (word(agent.value, 'link') === 'connected' || (parsed?.ok === true && parsed.value.settings.brokers.length === 0));
  if (isJson) {
    const table = (r: Result<Table>): Value => (r.ok ? blobmsg.nested(r.value) : blobmsg.nothing);
    const all = blobmsg.table({ enforcer: table(facts), sessions: rows.json, agent: table(agent) });
    host.print(`${console.json(blobmsg.nested(all))}\n`);
  } else {
    const enforcer = (line: string): void => host.print(`enforcer: ${line}\n`);
    if (parsed === null) enforcer(wordsOf(asked));
    else if (parsed.ok) enforcer('settings: in order');
    else for (const wrong of parsed.faults) enforcer(`settings: ${text(wrong)}`);
    if (facts.ok) for (const line of linesOf(facts.value)) enforcer(line);
    if (rows.rows.length > 0)
      host.print(console.columns([['slot', 'left', 'up', 'down', 'quota', 'key'], ...rows.rows.map(cellsOf)], [0, 1, 2, 3, 4]));
    for (const line of agent.ok ? agent.value.map(said) : [wordsOf(agent)]) host.print(`agent: ${line}\n`);
    if (agent.ok && isUnsaved(agent.value))
      host.print('agent: the key has no backup yet, and nobody can make it again: weir key backup FILE\n');
  }
  return parsed?.ok && isLinked ? 0 : 1;
}

const cellsOf = (r: Row): readonly string[] => [
  `${r.slot}`,
  amount.renderSpan(seconds(r.left / 1000)),
  amount.renderSize(r.counted.up),
  amount.renderSize(r.counted.down),
  r.quota.kind === 'shared' ? amount.renderSize(r.quota.bytes) : `${amount.renderSize(r.quota.up)}/${amount.renderSize(r.quota.down)}`,
  r.key === null ? 'none' : r.key.slice(0, 12),
];

const said = ({ name, value }: Table[number]): string => {
  switch (value.kind) {
    case 'string':
      return `${name}: ${value.value}`;
    case 'int8':
      return `${name}: ${value.value === 0 ? 'no' : 'yes'}`;
    default:
      return `${name}: ${console.json(value)}`;
  }
};

const isUnsaved = (agent: Table): boolean => {
  const saved = fields.boolean(agent, 'key_saved');
  return saved.ok && !saved.value;
};

const word = (t: Table, name: string): string | null => {
  const value = fields.string(t, name);
  return value.ok ? value.value : null;
};

function linesOf(facts: Table): readonly string[] {
  const why = word(facts, 'why');
  const [used, cap, port] = [fields.integer(facts, 'month_used'), fields.integer(facts, 'month_cap'), fields.integer(facts, 'port')];
  const [today, rate] = [fields.integer(facts, 'today_used'), fields.integer(facts, 'guests_rate')];
  const troubles = fields.array(facts, 'troubles');
  return [
    why === null
      ? `shares on UDP port ${port.ok ? port.value : '?'} (${word(facts, 'tunnel')}, rules ${word(facts, 'rules')})`
      : `shares nothing: ${why}`,
    ...(used.ok ? [`month: ${amount.renderSize(used.value)}${cap.ok ? ` of ${amount.renderSize(cap.value)}` : ''} of the line`] : []),
    ...(today.ok ? [`today (UTC): ${amount.renderSize(today.value)}`] : []),
    ...(rate.ok ? [`home first: guests have ${rate.value / 1000n} kbit/s`] : []),
    ...(troubles.ok ? troubles.value.map((v) => `trouble: ${v.kind === 'string' ? v.value : ''}`) : []),
  ];
}

async function allRows(ask: Desk['ask']): Promise<Readonly<{ rows: readonly Row[]; json: Value }>> {
  const rows: Row[] = [];
  const raw: Value[] = [];
  let from: Row['slot'] | null = 1 as Row['slot'];
  while (from !== null) {
    const answer: Result<Table> = await ask('weir.enforcer', 'read', wire.encodeSpan({ from, most: 256 }));
    const page = answer.ok ? wire.decodePage(answer.value) : answer;
    const list = answer.ok ? fields.array(answer.value, 'sessions') : answer;
    if (!page.ok || !list.ok) break;
    rows.push(...page.value.rows);
    raw.push(...list.value);
    from = page.value.next;
  }
  return { rows, json: blobmsg.array(raw) };
}

async function doctor({ host, bus, ask }: Desk, isJson: boolean): Promise<number> {
  const answer = await ask('weir.enforcer', 'doctor', [], millis(60_000));
  const told = answer.ok ? report.decodeFindings(answer.value) : answer;
  const start = '/etc/init.d/weir start; then logread -e weir';
  const agent = await bus.find('weir');
  const findings: readonly Finding[] = [
    ...(told.ok ? told.value : [bad('enforcer', wordsOf(told), start)]),
    agent.ok ? good('agent', 'is running') : bad('agent', 'is not running', start),
    ...filesThere.map(([path, about, mend]) =>
      host.files.stat(path).ok ? good(about, `${path} is there`) : bad(about, `there is no ${path}`, mend),
    ),
    ...keys.filter((path) => isOpen(host.files.stat(path))).map((path) => bad('key', `others may read ${path}`, `chmod 600 ${path}`)),
    ...filterOf(processes(host)),
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
  if (isJson) host.print(`${console.json(blobmsg.nested(report.encodeFindings(findings)))}\n`);
  else
    for (const f of findings) {
      host.print(console.wrap(f.grade === 'good' ? '  ok' : f.grade === 'note' ? 'NOTE' : ' BAD', `${f.about}: ${f.says}`));
      if (f.mend !== '') host.print(console.wrap('', `mend: ${f.mend}`));
    }
  return findings.some((f) => f.grade === 'bad') ? 1 : 0;
}

function processes({ files }: Host): readonly string[] {
  const listed = files.list('/proc');
  return (listed.ok ? listed.value : []).flatMap((name) => {
    const status = /^\d+$/.test(name) ? files.read(`/proc/${name}/status`, 8192) : null;
    return status?.ok ? [new TextDecoder().decode(status.value)] : [];
  });
}

const good = (about: string, says: string): Finding => ({ grade: 'good', about, says, mend: '' });
const bad = (about: string, says: string, mend: string): Finding => ({ grade: 'bad', about, says, mend });
/** Neither process begins with such a one. */
const keys = ['/etc/weir/agent/key', '/etc/weir/enforcer/key'];
const isOpen = (stat: Result<FileStat>): boolean => stat.ok && (stat.value.mode & 0o077) !== 0;
const filesThere = [
  ['/usr/share/acl.d/weir.json', 'ACL', 'install the package weir again: without it the agent may ask nothing'],
  ['/sbin/ujail', 'jail', 'install procd-ujail: without it neither process is started'],
] as const;

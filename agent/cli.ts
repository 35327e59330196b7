// The command line: asks the bus and prints. Ends with 0, with 1 when something is not as it should be, with 2 for a command it does not know.

import './host/globals.ts';
import * as ubus from './adapters/ubus-client.ts';
import { millis } from './core/brand.ts';
import { text } from './core/result.ts';
import { version } from './core/version.ts';
import { host } from './host/quickjs.ts';
import { busOf, die } from './role.ts';
import type { Table } from './wire/blobmsg.ts';
import * as sections from './wire/sections.ts';

const help = `usage: weir COMMAND

  status      whether enforcer and agent are there, and what they do
  version     the version of Weir
  agent       the agent itself, as procd runs it
  enforcer    the enforcer itself, as procd runs it
  --help      this text
`;

type Rendered = Readonly<{ good: boolean; lines: readonly string[] }>;

const enforcer = (answer: Table): Rendered => {
  const parsed = sections.parse(answer);
  return { good: parsed.ok, lines: parsed.ok ? ['settings: in order'] : parsed.faults.map((fault) => `settings: ${text(fault)}`) };
};

const agent = (answer: Table): Rendered => ({
  good: answer.some(({ name, value }) => name === 'link' && value.kind === 'string' && value.value === 'connected'),
  lines: answer.map(({ name, value }) => `${name}: ${value.kind === 'string' ? value.value : value.kind}`),
});

async function status(): Promise<number> {
  const opened = await ubus.open(host, { ...busOf(host), whenLost: 'end', lost: (why) => die(host, why) });
  if (!opened.ok) {
    host.log(`the bus is not there: ${text(opened.fault)}`);
    return 1;
  }
  const bus = opened.value;
  async function ask(role: string, path: string, method: string, render: (answer: Table) => Rendered): Promise<boolean> {
    const answer = await bus.call(path, method, [], millis(10_000));
    const absent = !answer.ok && answer.fault.code === 'missing';
    const { good, lines } = answer.ok ? render(answer.value) : { good: false, lines: [absent ? 'is not running' : text(answer.fault)] };
    for (const line of lines) host.print(`${role}: ${line}\n`);
    return good;
  }
  const [first, second] = [await ask('enforcer', 'weir.enforcer', 'settings', enforcer), await ask('agent', 'weir', 'status', agent)];
  return first && second ? 0 : 1;
}

const [command, ...rest] = host.process.args;
if (command === '--help' || command === undefined) host.print(help);
else if (command === 'version' && rest.length === 0) host.print(`${version}\n`);
else if (command === 'status' && rest.length === 0) void status().then((code) => host.process.exit(code));
else {
  host.log(`weir: no such command: ${host.process.args.join(' ')}\n${help}`);
  host.process.exit(2);
}

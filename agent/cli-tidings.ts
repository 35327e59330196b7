// `weir telemetry` and `weir enrol`: what this router tells its broker of itself, and how it becomes its owner's at a coordinator.

import * as uci from './adapters/uci.ts';
import type { Command, Desk } from './cli-bus.ts';
import { command } from './cli-bus.ts';
import type * as argv from './core/argv.ts';
import { parseClaim } from './core/enrol.ts';
import { ok, type Result, under } from './core/result.ts';
import { fields } from './core/telemetry.ts';
import * as console from './wire/console.ts';
import * as told from './wire/told.ts';

export const help = {
  telemetry: `weir telemetry [--json]

The last report to the broker, read from the very bytes that were sent. What you
keep to yourself is set by weir.telemetry.leave_out.
`,
  enrol: `weir enrol CODE[@ROOT]

Makes this router yours at a coordinator, by the code that it gave you. Writes
weir.coordinator.claim; the agent asks as soon as there is a link, and weir
status says what it was answered. ROOT is the coordinator's root key, where
weir.coordinator.root is not set.
`,
};

const commands = {
  telemetry: command({ options: { json: 'flag' } }, telemetry),
  enrol: command({ options: {}, words: { 'CODE[@ROOT]': claim } }, enrol),
} as const;
export const run: Command = (host, name, args) => commands[name as keyof typeof commands](host, name, args);

async function telemetry({ host, ask }: Desk, { options }: argv.Arguments<{ json: 'flag' }>): Promise<Result<number>> {
  const answer = await ask('weir', 'telemetry');
  const shown = answer.ok ? told.decodeTelemetry(answer.value) : answer;
  if (!shown.ok) return shown;
  const { report, ago, waiting, span } = shown.value;
  if (options.json) host.print(`${JSON.stringify({ ...report, ago, waiting, waiting_span: span })}\n`);
  else {
    const waits = waiting === 0 ? 'nothing waits' : `${waiting} wait, of ${span} s`;
    if (report === null) host.print(`nothing was sent yet; ${waits}\n`);
    else {
      host.print(`sent ${ago} s ago, of ${report.span} s; ${waits}\n`);
      const rows = Object.entries(fields).flatMap(([name, { unit }]) => {
        const value = report.values[name as keyof typeof fields];
        return value === undefined ? [] : [[name, printable(value), unit === 'text' ? '' : unit]];
      });
      host.print(console.columns(rows, [1]));
    }
  }
  return ok(0);
}

/** A terminal obeys more than letters. */
const printable = (value: number | string): string => `${value}`.replace(/[^ -~]/g, '?');

function claim(text: string): Result<string> {
  const parsed = parseClaim(text);
  return parsed.ok ? ok(text) : parsed;
}

async function enrol({ host, bus }: Desk, { words: [code = ''] }: argv.Arguments<Record<never, never>>): Promise<Result<number>> {
  const written = await uci.set({ call: bus.call, clock: host.clock }, 'weir', 'coordinator', new Map([['claim', code]]));
  if (!written.ok) return { ok: false, fault: under('weir.coordinator', written.fault) };
  host.print('written down; weir status says what the coordinator answers\n');
  return ok(0);
}

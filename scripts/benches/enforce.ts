// What enforcement costs: a packet on its way, and the enforcer when sessions come, go and are read.

import { cpus, release } from 'node:os';
import type { Bench } from './bench.ts';
import * as control from './enforce-control.ts';
import * as path from './enforce-path.ts';
import { make, type Part, type Tools } from './enforce-tools.ts';
import * as wg from './wg.ts';

/** One after the other: each wants the machine for itself. */
const measures: Readonly<Record<string, (tools: Tools) => Promise<Part>>> = {
  path: path.measure,
  control: control.measure,
  wg: wg.measure,
};

export const enforce: Bench = {
  what: 'packets through the rules at up to 10,000 sessions; sessions seated, cleared and read against nft; a tunnel',
  needs: [
    ...['cc:gcc', 'ip:iproute2', 'nft:nftables', 'nsenter:util-linux', 'taskset:util-linux', 'qemu-system-x86_64:qemu-system-x86'],
    '/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring',
  ],
  parts: Object.keys(measures),
  async run(only) {
    const tools = await make();
    const parts: Part[] = [];
    for (const [name, measure] of Object.entries(measures)) if (only === undefined || only === name) parts.push(await measure(tools));
    return {
      on: `Linux ${release().split('.', 2).join('.')} (${process.arch}, ${cpus().length} cores)`,
      body: parts.map((part) => part.body).join('\n\n'),
      numbers: Object.assign({}, ...parts.map((part) => part.numbers)),
      broken: parts.flatMap((part) => part.broken),
    };
  },
};

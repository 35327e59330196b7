// Writes the journal of a busy node until somebody kills it, and says what it has sent: only what was written before.

import '../../../agent/host/globals.ts';
import { open } from '../../../agent/adapters/journal.ts';
import { millis } from '../../../agent/core/brand.ts';
import { host } from '../../../agent/host/quickjs.ts';
import { must, nextMarks } from './journal.ts';

const [folder = '', round = ''] = host.process.args;
const { store, damage, cut } = must(open(host, folder, () => undefined));
host.print(`found ${damage?.code ?? 'whole'} ${cut}\n`);
const pick = (below: number): number => Number(host.random(1)[0]) % below;

function work(step: number): void {
  const marks = nextMarks(store.state(), pick, Number(round) * 1_000_000 + step);
  must(store.commit(marks));
  for (const mark of marks) if (mark.kind === 'sealed') host.print(`sent ${mark.session} ${mark.sequence} ${mark.digest}\n`);
  host.clock.after(millis(0), () => work(step + 1));
}
work(1);

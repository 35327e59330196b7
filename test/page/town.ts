// What the page looks at: a coordinator with its own broker and database, two routers, an honest session, a disputed one, and a router that
// tells one receipt in two ways.

import type { Link } from '../../agent/core/receipt.ts';
import * as roots from '../../agent/core/root.ts';
import type { Digest, SessionId } from '../../agent/core/signed.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wire from '../../agent/wire/receipt.ts';
import * as coordinator from '../../coordinator/coordinator.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as live from '../coordinator/live.ts';
import * as nodes from '../coordinator/node.ts';
import { both, disputeOf, type Told, tell, witnessed } from '../coordinator/node.ts';
import { freePort } from '../fakes/port.ts';
import { secretOf, signerOf } from '../wire/story.ts';

export type Town = Awaited<ReturnType<typeof open>>;

const offer = {
  fleet: 'roof',
  micro: 1_200_000,
  currency: 'EUR',
  rate_up: 1e6,
  rate_down: 8e6,
  most_bytes: 1e10,
  most_seconds: 86_400,
  credit: 1 << 24,
};

/** A consumer's file of keys, as `scripts/consumer keys` makes it. */
export const keysOf = (name: string): string => `weir consumer keys 1\ntunnel ${'11'.repeat(32)}\nsigner ${hexOf(secretOf(name))}\n`;

export async function open() {
  // One that nobody takes while it is away.
  const port = await freePort();
  const here = await live.begin(null, undefined, port);
  let running: coordinator.Running | null = here.running;
  const ask = async (method: string, path: string, body?: object): Promise<live.Answer['json']> => {
    const answer = await live.ask(port, method, path, `Bearer ${here.tokens.admin}`, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.text}`);
    return answer.json;
  };
  const until = async (path: string, holds: (json: live.Answer['json']) => boolean): Promise<void> => {
    for (const end = Date.now() + 60_000; !holds(await ask('GET', path)); await new Promise((resolve) => setTimeout(resolve, 50)))
      if (Date.now() > end) throw new Error(`${path}: never; ${JSON.stringify(await ask('GET', path))}`);
  };
  const talkers: live.Talker[] = [];
  const chains = new Map<SessionId, { talker: live.Talker; who: string; told: Told[] }>();

  async function addRouter(name: string, more: Partial<nodes.Node['birth']> = {}): Promise<live.Talker> {
    const talker = await live.talk(running?.mqtt ?? 0, nodes.nodeOf(name), here.authority.root, here.authority.rootKey);
    talkers.push(talker);
    await ask('POST', '/nodes', { key: hexOf(talker.node.key), fleet: 'roof' });
    await talker.birth(more);
    const { epoch } = talker.node.birth;
    await talker.publish('state', command.encodeState({ isHere: true, epoch, birth: 1 }));
    await until(`/nodes/${talker.node.id}`, ({ here }) => here === true);
    return talker;
  }

  async function addSession(talker: live.Talker, who: string): Promise<SessionId> {
    const asked = {
      offer: 'roof',
      node: talker.node.id,
      consumer: hexOf(signerOf(who).key),
      peer: nodes.peerOf(who),
      bytes: 1e9,
      seconds: 3600,
    };
    const session = (await ask('POST', '/sessions', asked))['session'] as SessionId;
    await talker.until('a grant', () => talker.grants.has(session));
    await until(`/sessions/${session}`, ({ condition }) => condition === 'open');
    chains.set(session, { talker, who, told: [] });
    return session;
  }

  /** One more receipt. `isWitnessed`: countersigned. */
  async function seal(session: SessionId, up: number, down: number, isWitnessed: boolean, standing = {}): Promise<Told> {
    const chain = chains.get(session);
    const given = chain?.talker.grants.get(session);
    if (chain === undefined || given === undefined) throw new Error('no such session');
    const last = chain.told.at(-1) ?? null;
    const counted = both(Number(last?.receipt.counted.up ?? 0n) + up, Number(last?.receipt.counted.down ?? 0n) + down);
    const told = tell(chain.talker.node, nodes.anchorOf(given.bytes), given.grant.price, last, counted, standing);
    chain.told.push(told);
    await chain.talker.seal(told, isWitnessed ? witnessed(told, chain.who) : told.signed);
    return told;
  }

  let previous: Digest | null = null;
  /** Over the chains of this router as they are. */
  async function root(talker: live.Talker, number: number): Promise<void> {
    const own = [...chains.values()].flatMap((chain): { link: Link; up: number }[] => {
      const last = chain.talker === talker ? chain.told.at(-1) : undefined;
      return last === undefined ? [] : [{ link: last.link, up: last.receipt.up }];
    });
    const { birth, signer } = talker.node;
    const body = wire.root.write({
      number,
      previous,
      epoch: birth.epoch,
      boot: birth.boot,
      up: Math.max(...own.map(({ up }) => up)) as never,
      wall: birth.wall,
      size: own.length,
      heads: hexOf(
        roots.headsOf(
          own.map(({ link }) => link),
          wire.encodeHead,
          hashes.sha256,
        ),
      ) as Digest,
    });
    const signed = cose.sign('root', body, signer, hashes);
    previous = cose.digestOf(signed, hashes);
    await talker.publish('roots', cose.encode(signed));
  }

  /** Enrolled, and never heard of. Nobody may ask so often as this does. */
  async function pin(n: number): Promise<void> {
    const body = { key: hexOf(signerOf(`pinned ${n}`).key) };
    for (let status = 429; status !== 200; ) {
      ({ status } = await live.ask(port, 'POST', '/nodes', `Bearer ${here.tokens.admin}`, body));
      // Until it may ask as often as at first: what is left is the page's.
      if (status === 429) await new Promise((resolve) => setTimeout(resolve, 3000));
      else if (status !== 200) throw new Error(`${status}`);
    }
  }

  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    tokens: here.tokens,
    ask,
    until,
    addRouter,
    addSession,
    pin,
    seal,
    root,
    async furnish() {
      await ask('PUT', '/offers/roof', offer);
      for (const name of ['ann', 'bob']) await ask('POST', '/consumers', { key: hexOf(signerOf(name).key), name });
      await ask('POST', '/ledger/deposits', { id: 'cash-1', consumer: hexOf(signerOf('ann').key), currency: 'EUR', amount: 20_000_000 });
      const [mill, barn] = [await addRouter('mill'), await addRouter('barn')];
      const honest = await addSession(mill, 'ann');
      for (let i = 0; i < 14; i++) await seal(honest, 200_000 + 90_000 * (i % 5), 6_000_000 + 2_500_000 * ((i * 3) % 7), i % 4 !== 3);
      const disputed = await addSession(mill, 'bob');
      await seal(disputed, 300_000, 9_000_000, true);
      const wrong = await seal(disputed, 300_000, 9_000_000, false);
      await until(`/sessions/${disputed}`, ({ receipts }) => receipts === 2);
      const dispute = disputeOf('bob', wrong, 'bytes', both(400_000, 12_100_000));
      await ask('POST', '/disputes', { message: hexOf(cose.encode(dispute)) });
      await root(mill, 1);
      await root(mill, 2);
      const forked = await addSession(barn, 'ann');
      await seal(forked, 100_000, 2_000_000, true);
      await until(`/sessions/${forked}`, ({ receipts }) => receipts === 1);
      const given = barn.grants.get(forked);
      const other = tell(
        barn.node,
        nodes.anchorOf(given?.bytes ?? new Uint8Array()),
        given?.grant.price ?? null,
        null,
        both(100_000, 5_000_000),
      );
      await barn.publish(`receipts/${here.authority.root}`, cose.encode(other.signed));
      await until(`/sessions/${forked}`, ({ broken }) => broken !== null);
      await until(`/sessions/${honest}`, ({ receipts }) => receipts === 14);
      return { mill, barn, honest, disputed, forked };
    },
    async stop() {
      await running?.end();
      running = null;
    },
    async start() {
      const started = await coordinator.start(here.options, () => undefined);
      if (!started.ok) throw new Error(started.fault.reason);
      running = started.value;
    },
    async close() {
      for (const talker of talkers) await talker.end();
      await running?.end();
      running = null;
    },
  };
}

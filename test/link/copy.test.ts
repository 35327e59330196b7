// A copied image: the same flash, on another router of the same model. Which router it is an enforcer of the test's says.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as nameplate from '../../agent/wire/nameplate.ts';
import * as enforcer from '../fakes/enforcer.ts';
import * as house from '../fakes/house.ts';
import * as seats from '../fakes/seats.ts';

const first = '02:00:5e:10:00:01';
const second = '02:00:5e:10:00:02';
const plate = (...addresses: string[]): Result<Table> =>
  ok(nameplate.encode({ model: 'Example Router 3', name: 'example,router-3', addresses }));
const silent: Result<Table> = fail('timeout', 'links', 'no answer within 5000 ms');

async function within(work: (h: house.House, on: (says: Result<Table>) => void) => Promise<void>): Promise<void> {
  const h = await house.open();
  let says = silent;
  let bus: Bus | null = null;
  try {
    const opened = await ubus.open(host, { path: h.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
    assert.ok(opened.ok);
    bus = opened.ok ? opened.value : null;
    if (bus === null) return;
    const methods = enforcer.methods(
      bus,
      seats.seats(() => host.clock.monotonic()),
      {},
    );
    await bus.publish('weir.enforcer', { ...methods, nameplate: { args: {}, run: () => says } });
    await work(h, (now) => {
      says = now;
    });
  } finally {
    bus?.close();
    await h.close();
  }
}

const copied = suite('a copied image');
copied('stops on another router of the same model, says so, and goes on where it was made', () =>
  within(async (h, on) => {
    on(plate(first));
    const original = await h.run('agent');
    await original.says(/published .*birth/);
    original.stop();
    on(plate(second));
    const copy = await h.run('agent');
    await copy.says(/key\.board: made on another router/);
    await copy.says(/goes on in/);
    const status = await h.run('cli', 'status');
    assert.equal(await status.ended, { ok: true, value: 1 });
    assert.match(status.printed(), /key\.board: made on another router: a copied image\?/);
    assert.not.match(copy.lines.join('\n'), /published/);
    on(plate(second, first));
    await copy.says(/published .*birth/);
  }),
);
copied('an enforcer that cannot say is no other router', () =>
  within(async (h, on) => {
    const agent = await h.run('agent');
    await agent.says(/goes on in/);
    assert.not.match(agent.lines.join('\n'), /key\.board/);
    on(plate(first));
    await agent.says(/published .*birth/);
    const known = await h.run('cli', 'status');
    await known.ended;
    assert.not.match(known.printed(), /agent: board:/);
  }),
);
copied('where no address is known, status says what that means', () =>
  within(async (h, on) => {
    on(plate());
    const agent = await h.run('agent');
    await agent.says(/published .*birth/);
    const status = await h.run('cli', 'status');
    await status.ended;
    assert.match(status.printed(), /^agent: board: has no hardware address to be known by/m);
  }),
);
copied.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as mqtt from '../../coordinator/adapters/mqtt.ts';
import * as mosquitto from '../fakes/mosquitto.ts';

const link = suite('coordinator: mqtt');
link('a broker that has kept nothing is told from one that has', async () => {
  const broker = await mosquitto.start();
  let [missed, heard] = [0, 0];
  const watchers = new Set<() => void>();
  const look = (): void => {
    for (const watch of watchers) watch();
  };
  const until = (what: string, holds: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what}: never`)), 30_000);
      const watch = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });
  const transport = await mqtt.connect(
    { url: `mqtt://127.0.0.1:${broker.port}`, user: broker.user, password: broker.password, authority: null },
    'weir',
    async () => {
      heard += 1;
      look();
    },
    () => {
      missed += 1;
      look();
    },
    () => undefined,
  );
  try {
    assert.is(missed, 1);
    await broker.kill();
    await broker.restart();
    await until('the loss', () => missed === 2);
    // It stores what it has, and says again what was not confirmed; this message arrives by the session of before.
    await broker.end();
    transport.publish('weir/aaaaaaaaaaaaaaaa/roots', Uint8Array.of(1));
    await broker.restart();
    await until('a message', () => heard === 1);
    assert.is(missed, 2);
  } finally {
    await transport.end();
    await broker.stop();
  }
});
link.run();

import { suite } from 'uvu';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as ground from './ground.ts';
import { alone, play } from './kill.ts';

const kill = suite('kill -9');
kill('50 times under load, on PGlite', () => play(50, alone));
kill('50 times under load, on PostgreSQL and Mosquitto, which die with it now and then', async () => {
  const [server, broker] = [await ground.serve(), await mosquitto.start()];
  await play(50, {
    database: server.url,
    broker,
    async trouble(n) {
      if (n % 3 === 0) {
        await server.kill();
        await server.restart();
      }
      if (n % 4 !== 0) return;
      await broker.kill();
      await broker.restart();
    },
  });
  await broker.stop();
  await server.stop();
});
kill.run();

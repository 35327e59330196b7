import { suite } from 'uvu';
import * as ground from './ground.ts';
import { play } from './kill.ts';

const kill = suite('kill -9');
kill('25 times under load, on PGlite', () => play(25, null));
kill('25 times under load, on PostgreSQL, which dies with it now and then', async () => {
  const server = await ground.serve();
  let turn = 0;
  await play(25, server.url, async () => {
    if (++turn % 5 !== 0) return;
    await server.kill();
    await server.restart();
  });
  await server.stop();
});
kill.run();

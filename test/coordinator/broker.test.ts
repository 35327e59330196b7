import mqtt from 'mqtt';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as broker from '../../coordinator/adapters/broker.ts';

const node = 'aaaabbbbccccdddd';
const doors = suite('the coordinator’s own broker: who comes by which door');
let here: broker.Broker;
doors.before(async () => {
  const started = await broker.start({ host: '127.0.0.1', port: 0, prefix: 'weir', user: 'weir', password: 'fleet', tls: null }, 'own');
  if (!started.ok) throw new Error(started.fault.reason);
  here = started.value;
});
doors.after(() => here.end());

const rows = [
  { name: 'a node', door: 'port', user: 'weir', password: 'fleet', id: node, want: true },
  { name: 'a node by a name that is no key id', door: 'port', user: 'weir', password: 'fleet', id: 'roof-1', want: false },
  { name: 'a node with another password', door: 'port', user: 'weir', password: 'flee', id: node, want: false },
  { name: 'the coordinator', door: 'door', user: broker.ownUser, password: 'own', id: 'x', want: true },
  { name: 'its account, where nodes come', door: 'port', user: broker.ownUser, password: 'own', id: 'x', want: false },
  { name: 'a node, where the coordinator comes', door: 'door', user: 'weir', password: 'fleet', id: node, want: false },
] as const;
for (const { name, door, user, password, id, want } of rows)
  doors(name, async () => {
    const options = { clientId: id, username: user, password, protocolVersion: 4, reconnectPeriod: 0 } as const;
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${here[door]}`, options).catch((error: Error) => {
      assert.match(error.message, /Not authorized/);
      return null;
    });
    assert.is(client !== null, want);
    await client?.endAsync(true);
  });
doors.run();

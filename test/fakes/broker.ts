// A broker that does what real ones do on bad days only. What it does is in the name that the client gives itself.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';

type Client = Readonly<{ version: 4 | 5; say(packet: Packet): void; end(): void }>;
type Behaviour = (client: Client, packet: Packet) => void;

const welcome = (client: Client, more: object = {}): void =>
  client.say({ cmd: 'connack', reasonCode: 0, returnCode: 0, sessionPresent: false, ...(client.version === 5 && { properties: more }) });
const acknowledge = (client: Client, { messageId }: Packet, reasonCode = 0): void =>
  client.say({ cmd: 'puback', ...(messageId !== undefined && { messageId }), ...(client.version === 5 && { reasonCode }) });

const behaviours: Readonly<Record<string, () => Behaviour>> = {
  /** Its quota is spent: it takes nobody. */
  spent:
    () =>
    (client, { cmd }) => {
      if (cmd === 'connect') client.say({ cmd: 'connack', reasonCode: 0x97, returnCode: 3, sessionPresent: false });
    },
  /** Takes everybody and no message. */
  full: () => (client, packet) => {
    if (packet.cmd === 'connect') welcome(client);
    if (packet.cmd === 'publish') acknowledge(client, packet, 0x97);
  },
  /** Somebody else comes with the same name; the connection is not even ended. */
  taken:
    () =>
    (client, { cmd }) => {
      if (cmd === 'connect') welcome(client);
      if (cmd === 'publish') client.say({ cmd: 'disconnect', reasonCode: 0x8e });
    },
  kick:
    () =>
    (client, { cmd }) => {
      if (cmd === 'connect') welcome(client);
      if (cmd === 'publish') client.end();
    },
  /** Holds the connection and says nothing more. */
  mute:
    () =>
    (client, { cmd }) => {
      if (cmd === 'connect') welcome(client);
    },
  /** Answers pings, and nothing else. */
  absent:
    () =>
    (client, { cmd }) => {
      if (cmd === 'connect') welcome(client);
      if (cmd === 'pingreq') client.say({ cmd: 'pingresp' });
    },
  /** Knows MQTT 3.1.1 alone. */
  old:
    () =>
    (client, { cmd }) => {
      if (cmd !== 'connect') return;
      if (client.version === 4) welcome(client);
      else client.say({ cmd: 'connack', reasonCode: 0x84, returnCode: 1, sessionPresent: false });
    },
  /** Takes two messages at a time, of 1,000 bytes; a third, or a larger one, is the end. */
  narrow: () => {
    let unanswered: Packet[] = [];
    return (client, packet) => {
      if (packet.cmd === 'connect') welcome(client, { receiveMaximum: 2, maximumPacketSize: 1000 });
      if (packet.cmd !== 'publish') return;
      unanswered.push(packet);
      if (unanswered.length > 2 || Number(packet.length) > 998) client.say({ cmd: 'disconnect', reasonCode: 0x93 });
      if (unanswered.length === 2)
        setImmediate(() => {
          for (const one of unanswered) acknowledge(client, one);
          unanswered = [];
        });
    };
  },
};

export async function start(): Promise<{ port: number; connects(): number; stop(): void }> {
  const sockets = new Set<Socket>();
  let connects = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()));
    const packets = parser();
    let client: Client | null = null;
    let behave: Behaviour = () => undefined;
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        connects += 1;
        const version = packet.protocolVersion === 5 ? 5 : 4;
        client = { version, say: (said) => void socket.write(generate(said, { protocolVersion: version })), end: () => void socket.end() };
        behave = (behaviours[packet.clientId] ?? (() => () => void socket.destroy()))();
      }
      if (client !== null) behave(client, packet);
    });
    packets.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => void packets.parse(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connects: () => connects,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

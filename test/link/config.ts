// What an owner writes for an agent in trouble: short waits, and brokers where the test has them.

import type { Broker } from '../fakes/mosquitto.ts';

/** A broker's section. */
export const section = (host: string, port: number, ...more: readonly string[]): string =>
  [`host ${host}`, `port ${port}`, 'spread 0', 'keepalive 5', ...more].map((o) => `\toption ${o.replace(' ', " '")}'\n`).join('');
export const account = ({ user, password }: Broker): readonly string[] => [`user ${user}`, `password ${password}`];
export const config = (id: string, ...brokers: readonly string[]): string =>
  `config node 'node'\n\toption id '${id}'\n\n${brokers.map((b, i) => `config broker 'broker${i}'\n${b}\n`).join('')}`;

export const published = /published .*\/state$/;
export const goesOn = /goes on in (\d+) s/;
export const waitIn = (said: string): number => Number(goesOn.exec(said)?.[1]);
/** Half of a quarter of an hour: what a broker that would not have us is left alone for, at least. */
export const longWait = 450;

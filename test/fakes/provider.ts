// A program on the bus that publishes what it is given: stands for netifd, rpcd or the enforcer in tests and in the demo.

import type { Methods, Published } from '../../agent/adapters/ubus-client.ts';
import * as ubusClient from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { text } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';

export type Provider<Path extends string> = Readonly<{
  objects: Readonly<Record<Path, Published>>;
  /** Without a word, as a program that is killed. */
  stop(): void;
}>;

export async function fakeProvider<Path extends string>(socket: string, objects: Readonly<Record<Path, Methods>>): Promise<Provider<Path>> {
  const bus = await ubusClient.open(host, { path: socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
  if (!bus.ok) throw new Error(text(bus.fault));
  const published: [string, Published][] = [];
  for (const [path, methods] of Object.entries<Methods>(objects)) {
    const object = await bus.value.publish(path, methods);
    if (!object.ok) throw new Error(text(object.fault));
    published.push([path, object.value]);
  }
  return { objects: Object.fromEntries(published) as Record<Path, Published>, stop: bus.value.close };
}

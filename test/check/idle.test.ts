// What an enforcer holds in memory before anything is shared. The limit of the house is 1.5 MB, of which a file here takes 2 to 40 KB.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle, closure } from '../../build/bundle.ts';

const idle = suite('idle');

const may = [
  'agent/adapters/ubus-client.ts',
  'agent/adapters/uci.ts',
  'agent/asleep.ts',
  'agent/enforcer.ts',
  'agent/role.ts',
  'agent/wire/blob.ts',
  'agent/wire/blobmsg.ts',
  'agent/wire/fields.ts',
  'agent/wire/reader.ts',
  'agent/wire/sections.ts',
  'agent/wire/ubus.ts',
  'agent/wire/writer.ts',
];

idle('an enforcer loads neither warden nor kernel before it needs them', async () => {
  const made = await bundle();
  const names = closure(made, made.entries.enforcer).map(({ name }) => name);
  const outputs = Object.entries(made.metafile.outputs).filter(([path]) => names.some((name) => path.endsWith(`/${name}`)));
  const files = outputs.flatMap(([, { inputs }]) => Object.keys(inputs)).filter((path) => !/^agent\/(core|host|ports)\//.test(path));
  assert.equal(files.sort(), may);
});

idle.run();

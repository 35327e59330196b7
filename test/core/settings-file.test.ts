// The config file of the package: what it shows is what holds, and it shows every option there is.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as settings from '../../agent/core/settings.ts';
import * as uciFile from '../fakes/uci-file.ts';

const shipped = readFileSync('openwrt/weir/files/weir.config', 'utf8');
/** The lines that a user would take the # away from; `examples` are those below a "for example". */
const uncommented = (): string => shipped.replace(/^(\t?)#(?=(config|option|list) )/gm, '$1');
const withoutExamples = (): string => uncommented().replace(/(for example:\n)(config .*\n)?(\t(option|list) .*\n)+/gi, '$1');

function sectionsOf(text: string): readonly settings.Section[] {
  const parsed = uciFile.parse(text);
  if (!parsed.ok) throw new Error(parsed.fault.reason);
  return parsed.value.sections;
}
const node: settings.Section = { name: 'node', type: 'node', options: new Map([['id', 'roof-1']]) };
const broker: settings.Section = { name: 'broker', type: 'broker', options: new Map(Object.entries({ host: 'b', authority: '/a' })) };
const coordinator: settings.Section = { name: 'coordinator', type: 'coordinator', options: new Map([['root', '0f'.repeat(32)]]) };
const merged = (sections: readonly settings.Section[]): readonly settings.Section[] =>
  sections.map((s) => {
    const more = [node, broker, coordinator].find(({ name }) => name === s.name);
    return more === undefined ? s : { ...s, options: new Map([...more.options, ...s.options]) };
  });

const file = suite('weir.config');
file('as it is shipped, it is the safe defaults', () => assert.equal(settings.parseOwner(sectionsOf(shipped)), settings.parseOwner([])));
file('what is shown is what holds', () => {
  const shown = sectionsOf(withoutExamples());
  assert.equal(settings.parseOwner(shown), settings.parseOwner([]));
  assert.equal(settings.parse(merged(shown)), settings.parse([node, broker, coordinator]));
  assert.equal(settings.parseTelling(shown), settings.parseTelling([]));
});
file('every example is taken', () => {
  const all = sectionsOf(uncommented());
  const parsed = settings.parse(all);
  assert.equal(parsed.ok && parsed.value.brokers.map(({ host }) => host), ['broker.example', 'broker.example.net']);
  assert.equal(settings.parseOwner(all).ok, true);
  const telling = settings.parseTelling(all);
  assert.equal(telling.ok && telling.value.probes.map(({ host }) => host), ['server.example']);
});
file('shares nothing', () => {
  const owner = settings.parseOwner(sectionsOf(shipped));
  assert.is(owner.ok && owner.value.share.accepted, false);
});
file('a comment stands above every group of options', () => {
  for (const [, above] of shipped.matchAll(/^(.*)\n\t#?(?:option|list) /gm)) assert.match(`${above}`, /^\t#|^#config /);
});
for (const { name, options } of sectionsOf(uncommented()).filter((s) => s.name === s.type))
  file(`${name}: the options of the file are those of the code`, () => {
    const odd = [{ name, type: name, options: new Map([['odd', '1']]) }];
    const both = [settings.parse(odd), settings.parseTelling(odd), settings.parseOwner(odd)];
    const fault = both.flatMap((p) => (p.ok ? [] : p.faults)).find(({ path }) => path === `weir.${name}.odd`);
    assert.equal(`${fault?.reason}`.replace(/^no such option; there are /, '').split(', '), [...options.keys()]);
  });
file.run();

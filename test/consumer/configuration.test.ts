import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as configuration from '../../agent/consumer/configuration.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';

const profile: wgquick.Profile = {
  secret: null,
  address4: '10.64.0.2',
  address6: 'fd00:64::2',
  dns: ['9.9.9.9'],
  mtu: 1380,
  key: 'm0jc8+cGlTDYgxDFkx0WdUASHYbDNOmqQdrGKiNqoSU=',
  endpoint: 'home.example:51820',
};
const text = wgquick.render(profile);
const parse = suite('consumer: configuration');
parse('as the router’s owner hands it out', () =>
  assert.equal(configuration.parse(text), {
    ok: true,
    value: {
      addresses: ['10.64.0.2/32', 'fd00:64::2/128'],
      mtu: 1380,
      allowed: ['0.0.0.0/0', '::/0'],
      device: '',
      peer: `PublicKey = ${profile.key}\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = home.example:51820\nPersistentKeepalive = 25`,
      hasSecret: false,
    },
  }),
);
parse('with a secret of its own', () => {
  const got = configuration.parse(wgquick.render({ ...profile, secret: profile.key }));
  assert.ok(got.ok && got.value.hasSecret && got.value.device === `PrivateKey = ${profile.key}`);
});
const refused: readonly Readonly<{ name: string; text: string; want: string }>[] = [
  { name: 'nothing', text: '', want: 'malformed peer' },
  { name: 'a program to run', text: text.replace('MTU = 1380', 'PostUp = rm -rf /'), want: 'unsupported line 5' },
  { name: 'a routing table', text: text.replace('MTU = 1380', 'Table = 7'), want: 'unsupported line 5' },
  { name: 'a secret where none belongs', text: `PrivateKey = ${profile.key}\n${text}`, want: 'malformed line 1' },
  { name: 'a secret of the peer', text: `${text}PrivateKey = ${profile.key}\n`, want: 'unsupported line 12' },
  { name: 'two peers', text: `${text}${text.slice(text.indexOf('[Peer]'))}`, want: 'malformed peer' },
  { name: 'no address', text: text.replace(/Address.*\n/, ''), want: 'missing Address' },
  { name: 'an option for an address', text: text.replace('10.64.0.2/32', '-force'), want: 'malformed Address' },
  { name: 'a length too long', text: text.replace('10.64.0.2/32', '10.64.0.2/33'), want: 'malformed Address' },
  { name: 'an MTU in words', text: text.replace('1380', 'small'), want: 'malformed MTU' },
  { name: 'prose', text: 'dear friend', want: 'malformed line 1' },
];
for (const { name, text: given, want } of refused)
  parse(name, () => {
    const got = configuration.parse(given);
    assert.is(!got.ok && `${got.fault.code} ${got.fault.path}`, want);
    assert.not.match(JSON.stringify(got), profile.key.slice(0, 20));
  });
parse.run();

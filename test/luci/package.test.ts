import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { luci } from '../../build/luci.ts';
import * as apk from '../../build/package/apk.ts';
import * as ipk from '../../build/package/ipk.ts';
import { luciApp } from '../../build/package/luci.ts';
import * as gateway from './gateway.ts';

const about = suite('the package luci-app-weir');
const app = await luci();
const time = 1_790_000_000;

about('both kinds: every file comes back, for every architecture', () => {
  const [asApk, asIpk] = [luciApp('apk', app.files, '0.1.0', time), luciApp('ipk', app.files, '0.1.0', time)];
  const [one, other] = [apk.read(apk.write(asApk, null), null), ipk.read(ipk.write(asIpk))];
  assert.is(one.info.arch, 'noarch');
  assert.match(other.control, /^Architecture: all$/m);
  for (const { entries } of [one, other])
    for (const [path, bytes] of app.files) {
      const found = entries.find((entry) => entry.path === path);
      assert.ok(found, path);
      assert.equal(Buffer.from(found.bytes), Buffer.from(bytes), path);
    }
});

about('twice built is the same', async () => {
  const plain = ({ files }: typeof app): readonly string[] =>
    [...files].map(([path, bytes]) => `${path} ${Buffer.from(bytes).toString('latin1')}`);
  assert.equal(plain(await luci()), plain(app));
});

about('every file for a router is in it', () => {
  const below = 'openwrt/luci-app-weir/root';
  const there = readdirSync(below, { recursive: true, withFileTypes: true }).flatMap((e) =>
    e.isFile() ? [`${e.parentPath.slice(below.length)}/${e.name}`] : [],
  );
  assert.equal(
    there.filter((path) => !app.files.has(path)),
    [],
  );
});

about('the menu leads to pages that there are, and nothing is loaded from elsewhere', () => {
  const text = (path: string): string => Buffer.from(app.files.get(path) ?? []).toString();
  const menu = JSON.parse(text('/usr/share/luci/menu.d/luci-app-weir.json')) as Readonly<
    Record<string, Readonly<{ action: Readonly<{ path?: string }>; depends?: Readonly<{ acl: readonly string[] }> }>>
  >;
  for (const { action, depends } of Object.values(menu)) {
    if (action.path !== undefined) assert.ok(app.files.has(`/www/luci-static/resources/view/${action.path}.js`), action.path);
    for (const group of depends?.acl ?? []) assert.ok(group in gateway.acl, group);
  }
  for (const path of app.files.keys())
    if (path.endsWith('.js'))
      assert.equal([...text(path).matchAll(/https?:\/\/(?!www\.w3\.org\/2000\/svg)[^"'` ]*/g)].map(String), [], path);
});

about.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import { options } from '../../agent/core/settings.ts';
import { fields } from '../../agent/core/telemetry.ts';
import { host } from '../../agent/host/node.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import { report } from '../../agent/wire/telemetry.ts';
import * as plain from '../fakes/plain.ts';
import type { Browser, Look, Page } from './chromium.ts';
import * as chromium from './chromium.ts';
import * as gateway from './gateway.ts';
import * as routers from './router.ts';

const pages = suite('the pages of LuCI');

const desktop: Look = { width: 1280, height: 900, scheme: 'light' };
const phone: Look = { width: 390, height: 844, scheme: 'dark' };
const fresh = "config share 'share'\n\toption accepted '0'\n\toption paused '0'\n\nconfig broker 'broker'\n\nconfig limits 'limits'\n";

let browser: Browser;
let router: routers.Router;
let page: Page;
pages.before(async () => {
  router = await routers.open(fresh);
  await router.startAgent();
  browser = await chromium.start();
  page = await browser.open();
});
pages.after(async () => {
  await browser?.close();
  await router?.close();
});
pages.after.each(() => {
  assert.equal(page.complaints, [], 'the console complains');
});

const shows = (words: string): string => `document.body.innerText.includes(${JSON.stringify(words)})`;
const says = (name: string, words: string): string =>
  `document.getElementById('weir-${name}-wrong').textContent.includes(${JSON.stringify(words)})`;
/** PICTURES=1 makes those of the README anew. */
const inReadme = ['begin', 'begin-friend', 'overview', 'begin-phone-dark', 'friends-code-phone-dark', 'overview-phone-dark'];
const isKept = (name: string): boolean => process.env['PICTURES'] === '1' && inReadme.includes(name);
const see = (name: string): Promise<void> =>
  page.photograph(isKept(name) ? `docs/pictures/luci-${name}.png` : `build/out/luci/${name}.png`);

/** What was saved is shown by a page made anew. */
async function save(): Promise<void> {
  await page.value("void (document.querySelector('#weir-save').dataset.before = '')");
  await page.click('#weir-save');
  await page.until("document.querySelector('#weir-save:not([data-before])')");
  await page.until(shows('Saved.'));
}

pages('a fresh router shares nothing, and says how to begin', async () => {
  await page.go(router.url('overview'), desktop);
  await page.until(shows('Nothing is shared before you say so'));
  await page.until(shows('has no backup yet'));
  await see('overview-fresh');
  await page.click('#weir-begin');
  await page.until(shows('What you are about to do'));
});

pages('nothing is shared without a yes, and no limit is taken that the agent would refuse', async () => {
  await page.go(router.url('begin'), phone);
  await page.until(shows('What you are about to do'));
  await page.fill('#weir-limits-monthly_cap', 'much');
  await page.until(says('limits-monthly_cap', 'expected MiB, 1 to 999999999, or none'));
  await page.click('#weir-share');
  await page.until("document.activeElement.id === 'weir-limits-monthly_cap'");
  await page.fill('#weir-limits-monthly_cap', '102400');
  await page.click('#weir-share');
  await page.until(shows('Nothing is shared without your yes'));
  assert.not.match(`${router.files.get('weir')}`, /monthly_cap/);
  await see('begin-phone-dark');
});

pages('limits, a yes, a friend: shared', async () => {
  await page.go(router.url('begin'), desktop);
  await page.fill('#weir-limits-monthly_cap', '102400');
  await see('begin');
  await page.click('#weir-agree');
  await page.click('#weir-share');
  await page.until("document.querySelector('#weir-invite')");
  assert.match(`${router.files.get('weir')}`, /option accepted '1'[\s\S]*option monthly_cap '102400'/);
  await page.fill('#weir-name', 'anna');
  await page.fill('#weir-quota', '64M');
  await page.click('#weir-invite');
  await page.until(shows('PrivateKey = '));
  await see('begin-friend');
  await page.click('#weir-done');
  await page.until(shows('This router shares, within your limits.'));
});

pages('the overview shows who is in, and the switch stops all of it with the agent dead', async () => {
  await page.go(router.url('overview'), desktop);
  await page.until(shows('anna'));
  const rows = router.kernel.read();
  const key = (rows.ok ? rows.value.rows[0]?.key : null) as PeerKey;
  assert.ok(key);
  for (let i = 0; i < 4; i++) {
    router.kernel.pass(key, 1_000_000, 5_000_000);
    await page.until(`document.querySelector('polyline.weir-down').getAttribute('points').split(' ').length > ${i}`);
  }
  await see('overview');
  await page.go(router.url('overview'), phone);
  for (let i = 0; i < 3; i++) {
    router.kernel.pass(key, 1_000_000, 4_000_000);
    await page.until(`document.querySelector('polyline.weir-down').getAttribute('points').split(' ').length > ${i}`);
  }
  await see('overview-phone-dark');
  router.stopAgent();
  await page.until(shows('the agent is not running'));
  await page.click('#weir-stop');
  await page.until(shows('Paused: nobody gets in'));
  assert.equal(router.kernel.pass(key, 0, 1000), { up: 0n, down: 0n });
  await see('overview-paused');
  await page.click('#weir-resume');
  await page.until(shows('This router shares'));
  await router.startAgent();
});

pages('a friend gets more, and goes', async () => {
  await page.go(router.url('friends'), phone);
  await page.click('#weir-more-anna');
  await page.fill('#weir-quota', 'a lot');
  await page.until(says('quota', 'expected a size such as 500M'));
  await page.fill('#weir-quota', '64M');
  // It is given, the answer comes too late, and it is given once.
  router.late.add('weir.friend_top_up');
  await page.click('#weir-give');
  await page.until(shows('of 128.0 MiB'));
  assert.is(router.late.size, 0);
  await see('friends-phone-dark');
  await page.click('#weir-add');
  await page.fill('#weir-name', 'two words');
  await page.click('#weir-invite');
  await page.until(says('name', '1 to 32 letters'));
  await page.fill('#weir-name', 'bert');
  await page.fill('#weir-quota', '20G');
  await page.click('#weir-invite');
  await page.until(shows('The limit is your own'));
  await page.fill('#weir-quota', '2G');
  await see('friends-add-phone-dark');
  await page.click('#weir-invite');
  await page.until(shows('PrivateKey = '));
  assert.ok(await page.value("document.querySelector('.weir-code').getBoundingClientRect().top > 0"), 'the code is in sight');
  await see('friends-code-phone-dark');
  await page.click('#weir-leave');
  // What is shown is due to be renewed meanwhile.
  await page.click('#weir-remove-anna', 7000);
  await page.click('#weir-end');
  await page.until("document.querySelector('#weir-remove-bert') && !document.querySelector('#weir-remove-anna')");
});

pages('the secret that is made in the browser is nowhere in what it sends', async () => {
  await page.go(router.url('friends'), desktop);
  await page.value(`(() => {
    window.sent = [];
    const [send, get] = [XMLHttpRequest.prototype.send, window.fetch];
    XMLHttpRequest.prototype.send = function (body) { window.sent.push(String(body)); return send.call(this, body); };
    window.fetch = (url, options) => { window.sent.push(String(options?.body)); return get(url, options); };
  })()`);
  await page.click('#weir-add');
  await page.fill('#weir-name', 'carla');
  await page.click('#weir-invite');
  await page.until(shows('PrivateKey = '));
  const [secret, sent] = await page.value<[string, string[]]>('[/PrivateKey = (\\S+)/.exec(document.body.innerText)[1], window.sent]');
  assert.is(secret.length, 44);
  assert.ok(sent.some((body) => body.includes('friend_add')));
  assert.not.ok(sent.some((body) => body.includes(secret.slice(0, 40))));
});

pages('settings: what the agent would refuse is said at the field, or of the whole; the rest is committed', async () => {
  await page.go(router.url('settings'), desktop);
  await page.until("document.querySelector('#weir-save')");
  await see('settings');
  // Yes and no are the enforcer's to write: by the consent, and by the switch of the overview.
  const { share: _, ...rest } = options;
  const known = Object.entries(rest).flatMap(([kind, names]) => Object.keys(names).map((name) => `${kind}-${name}`));
  const shown = await page.value<string[]>("[...document.querySelectorAll('.weir-field')].map((field) => field.dataset.name)");
  assert.equal(shown.toSorted(), known.toSorted());
  await page.fill('#weir-tunnel-port', '4720');
  await page.click('#weir-save');
  await page.until(says('tunnel-port', 'other than 4720'));
  await page.fill('#weir-tunnel-port', '');
  await page.fill('#weir-broker-host', 'broker.example');
  await page.click('#weir-save');
  await page.until(shows('weir.broker.authority'));
  await page.fill('#weir-broker-pin', 'ab'.repeat(32));
  await page.fill('#weir-limits-deny', '203.0.113.0/24');
  // Friday from 18:00 on by the mouse, an hour more by keys.
  for (const hour of [18, 19, 20]) await page.click(`td[data-hour="${4 * 24 + hour}"]`);
  await page.press('ArrowRight');
  await page.press(' ');
  await save();
  const written = `${router.files.get('weir')}`;
  assert.match(written, /list schedule 'fri 18:00-22:00'/);
  assert.match(written, /list deny '203.0.113.0\/24'/);
  assert.match(written, /option host 'broker.example'/);
  // What holds anyway is not written.
  assert.not.match(written, /option (tls|port|session_quota|block_smtp)/);
  await see('settings-saved');
  await page.fill('#weir-broker-host', '');
  await page.fill('#weir-broker-pin', '');
  await save();
  await page.go(router.url('settings'), phone);
  await page.until("document.querySelector('td[aria-selected=true]')");
  await see('settings-phone-dark');
  assert.not.match(`${router.files.get('weir')}`, /broker.example/);
});

pages('a second broker comes and goes', async () => {
  await page.go(router.url('settings'), desktop);
  await page.until("document.querySelector('#weir-save')");
  await page.value("[...document.querySelectorAll('button')].find((b) => b.textContent === 'One more: Broker').id = 'one-more'");
  await page.click('#one-more');
  await page.fill('#weir-broker2-host', 'second.example');
  await page.click('#weir-broker2-tls');
  await save();
  assert.match(`${router.files.get('weir')}`, /config broker 'broker2'\n\toption host 'second.example'\n\toption tls '0'/);
  await page.value("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Remove').id = 'gone'");
  await page.click('#gone');
  await save();
  assert.not.match(`${router.files.get('weir')}`, /broker2/);
});

pages('the receipts of a session are there to be kept', async () => {
  await page.go(router.url('overview'), desktop);
  await page.until(shows('is over: ended by whoever granted it'));
  await page.value("document.querySelector('[id^=weir-receipts-]:not([disabled])').id = 'hers'");
  await page.click('#hers');
  await page.until("document.querySelector('a[download]')");
  const kept = await page.value<string>("fetch(document.querySelector('a[download]').href).then((r) => r.text())");
  const messages = evidence.parse(kept);
  assert.ok(messages.ok && messages.value.length >= 3);
  const found = evidence.examine(messages.value, [], host);
  assert.equal(found.findings, []);
  assert.is(found.sessions.length, 1);
});

pages('what is told: a switch for each part with its fields, and the very bytes that were sent', async () => {
  await page.go(router.url('settings'), desktop);
  await page.click('#weir-told');
  await page.until(shows('none is set, so nothing is told'));
  await page.click('#weir-leave');
  const shown = await page.value<string>("document.querySelector('#weir-telemetry-leave_out').textContent");
  for (const [name, { unit }] of Object.entries(fields))
    assert.match(shown, new RegExp(`[ ,]${name}${unit === 'text' ? '[,A-Z]' : ` \\(${unit}\\)`}`), name);
  await page.click('#weir-telemetry-leave_out [value=network]');
  await page.click('#weir-coordinator-may [value=restart]');
  await page.fill('#weir-coordinator-root', 'cd'.repeat(32));
  await save();
  assert.match(`${router.files.get('weir')}`, /list leave_out 'network'/);
  assert.match(`${router.files.get('weir')}`, /list may 'sessions'\n\tlist may 'limit'\n\tlist may 'probe'\n\tlist may 'quarantine'\n\n/);
  const four = ['sessions', 'limit', 'probe', 'quarantine'].map((right) => `#weir-coordinator-may [value=${right}]`);
  for (const box of four) await page.click(box);
  await page.click('#weir-save');
  await page.until(says('coordinator-may', 'This is needed'));
  // What holds anyway is not written, so the section is empty again.
  for (const box of [...four, '#weir-coordinator-may [value=restart]', '#weir-telemetry-leave_out [value=network]']) await page.click(box);
  await page.fill('#weir-coordinator-root', '');
  await save();
  assert.not.match(`${router.files.get('weir')}`, /list (may|leave_out)/);
});

pages('while changes of another wait to be confirmed nothing can be saved: it is said, and then it can', async () => {
  const applied = { ubus_rpc_session: await gateway.grantAll(router.bus, 'write') };
  const ask = (method: string, args: plain.Fields) => router.bus.call('uci', method, plain.table(args), millis(20_000));
  gateway.must(await ask('set', { ...applied, config: 'weir', section: 'limits', values: { sessions: '31' } }));
  gateway.must(await ask('apply', { ...applied, rollback: true, timeout: 90 }));
  await page.go(router.url('settings'), desktop);
  await page.fill('#weir-limits-sessions', '32');
  await page.click('#weir-save');
  await page.until(shows('changes wait to be confirmed'));
  gateway.must(await ask('confirm', applied));
  await save();
  assert.match(`${router.files.get('weir')}`, /option sessions '32'/);
});

const fits = async (name: string): Promise<void> =>
  assert.ok(await page.value('document.documentElement.scrollWidth <= window.innerWidth'), `${name} is wider than the phone`);

pages('in German, on a phone', async () => {
  const titles = {
    overview: 'Teilen sofort anhalten',
    friends: 'Freund hinzufügen',
    enrol: 'Koordinationen',
    settings: 'Speichern',
    begin: 'Ein erster Freund',
  };
  for (const [name, title] of Object.entries(titles)) {
    await page.go(router.url(name, { language: 'de' }), phone);
    await page.until(shows(title));
    await page.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    await fits(name);
    await see(`${name}-phone-dark-de`);
  }
});

pages('the login ends while somebody types: it is said, and what was typed stays', async () => {
  const before = router.files.get('weir');
  await page.go(router.url('settings'), desktop);
  await page.fill('#weir-limits-sessions', '64');
  await router.logOut();
  await page.click('#weir-save');
  await page.until(shows('this login may not do it, or has ended'));
  assert.is(await page.value("document.querySelector('#weir-limits-sessions').value"), '64');
  assert.is(router.files.get('weir'), before);
});

async function tabTo(id: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await page.value('document.activeElement.id')) === id) return;
    await page.press('Tab');
  }
  throw new Error(`the keys never come to ${id}`);
}

pages('by keys alone', async () => {
  await page.go(router.url('overview'), desktop);
  await page.until(shows('This router shares'));
  await tabTo('weir-stop');
  await page.press('Enter');
  await page.until(shows('Paused: nobody gets in'));
  await tabTo('weir-resume');
  await page.press('Enter');
  await page.until(shows('This router shares'));
  await page.go(router.url('friends'), desktop);
  await page.until("document.querySelector('#weir-remove-carla')");
  await tabTo('weir-add');
  await page.press('Enter');
  await page.until("document.activeElement.id === 'weir-name'");
  await page.type('dora');
  await page.press('Enter');
  await page.until(shows('PrivateKey = '));
  await page.press('Escape');
  await page.until("document.querySelector('#weir-remove-dora') && !document.body.classList.contains('modal-overlay-active')");
  // A table that is made anew every few seconds takes nobody's place away.
  await page.value("document.querySelector('#weir-more-dora').focus()");
  await page.value("void (document.querySelector('#weir-more-dora').dataset.before = '')");
  await page.until("document.querySelector('#weir-more-dora:not([data-before])') === document.activeElement");
});

pages('what somebody took away from the network is set up anew by a click', async () => {
  router.unsettle();
  await page.go(router.url('overview'), desktop);
  await page.until(shows('Nothing is shared: weir.tunnel.pool6'));
  await page.click('#weir-setup');
  await page.until(shows('This router shares'));
});

pages('who may only read is refused by the session, and told', async () => {
  const before = router.files.get('weir');
  await page.go(router.url('overview', { rights: 'read' }), desktop);
  await page.until(shows('This router shares'));
  await page.click('#weir-stop');
  await page.until(shows('this login may not do it'));
  assert.is(router.files.get('weir'), before);
  assert.ok(router.refused.has('weir.enforcer.pause'));
});

pages('every method that the ACL grants is asked for by a page, and none beside', async () => {
  await page.go(router.url('overview'), desktop);
  await page.click('#weir-doctor');
  await page.until(shows('packets pass by the rules'));
  await see('examination');
  const granted = Object.values(gateway.acl).flatMap((group) =>
    Object.values(group).flatMap(({ ubus = {} }) =>
      Object.entries(ubus).flatMap(([object, methods]: [string, readonly string[]]) => methods.map((method) => `${object}.${method}`)),
    ),
  );
  // After a write that failed half-way.
  const rare = ['uci.revert'];
  assert.equal(
    [...router.asked].filter((name) => !granted.includes(name)),
    [],
  );
  assert.equal(
    granted.filter((name) => !router.asked.has(name) && !rare.includes(name)),
    [],
  );
  assert.equal(
    granted.filter((name) => name.includes('*')),
    [],
  );
});

const sent = cbor.encode(report.write({ at: seconds(9000), span: seconds(60), isWhole: true, values: { version: '9.8.7', open: 3 } }));

pages('an agent that lies puts no HTML into the page of its owner', async () => {
  router.stopAgent();
  await page.go(router.url('overview'), desktop);
  await page.until(shows('the agent is not running'));
  const evil = '<img src=x onerror="document.title=`taken`">';
  const names = [
    evil,
    'W'.repeat(300),
    '\u202egpj.exe',
    '🦆'.repeat(40),
    '-->',
    ...Array.from({ length: 59 }, (_none, i) => `friend-${i}`),
  ];
  const sessionOf = (name: string) => ({
    session: evil,
    name,
    condition: evil,
    reason: evil,
    up: 1n,
    down: 1n,
    quota: 1n,
    left: 1n,
    seconds: 1,
    sequence: 1,
  });
  const sessions = { sessions: names.map(sessionOf) };
  await router.impersonate({
    status: { link: evil, node: evil, clock: evil, key_saved: false, why: evil },
    sessions,
    friend_list: sessions,
    telemetry: { report: Buffer.from(sent).toString('base64'), ago: 5, waiting: 2, span: 120 },
  });
  router.files.set('weir', `${fresh}\nconfig coordinator 'coordinator'\n\toption claim '${evil}'\n`);
  for (const name of ['overview', 'friends', 'enrol']) {
    await page.go(router.url(name), phone);
    await page.until(shows('onerror'));
    await fits(name);
    await see(`hostile-${name}`);
  }
  await page.go(router.url('friends'), desktop);
  await page.click('[id^=weir-remove-]');
  await page.until("document.querySelector('#weir-end')");
  assert.is(await page.value("document.querySelectorAll('img').length"), 0);
  assert.is.not(await page.value('document.title'), 'taken');
});

pages('what was sent last: each field, and the very bytes', async () => {
  await page.go(router.url('settings'), phone);
  await page.click('#weir-told');
  await page.until(shows(`byte by byte (${sent.length})`));
  const told = await page.value<string>("document.querySelector('#modal_overlay .weir-table').textContent");
  for (const row of ['version9.8.7', 'open3sessions']) assert.ok(told.includes(row), told);
  assert.is(await page.value("document.querySelector('#weir-bytes').textContent"), hexOf(sent));
  await fits('what was sent');
  await see('told-phone-dark');
});

pages.run();

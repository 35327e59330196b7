import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as live from '../coordinator/live.ts';
import type { Browser, Look, Page } from '../luci/chromium.ts';
import * as chromium from '../luci/chromium.ts';
import * as towns from './town.ts';

const pages = suite('the coordinator’s page');

const desktop: Look = { width: 1280, height: 900, scheme: 'light' };
const phone: Look = { width: 390, height: 844, scheme: 'dark' };
/** `isWhole`: all views; else some, for their colours. */
const looks: readonly Readonly<{ name: string; look: Look; isWhole: boolean }>[] = [
  { name: 'desktop', look: desktop, isWhole: true },
  { name: 'phone-dark', look: phone, isWhole: true },
  { name: 'desktop-dark', look: { ...desktop, scheme: 'dark' }, isWhole: false },
  { name: 'phone', look: { ...phone, scheme: 'light' }, isWhole: false },
];
const coloured = ['overview', 'session', 'disputes', 'ledger'];

let town: towns.Town;
let browser: Browser;
let page: Page;
let there: Awaited<ReturnType<towns.Town['furnish']>>;
pages.before(async () => {
  town = await towns.open();
  browser = await chromium.start();
  page = await browser.open();
});
pages.after(async () => {
  await browser?.close();
  await town?.close();
});
pages.after.each(() => {
  assert.equal(page.complaints.splice(0), [], 'the console complains');
});

const shows = (words: string): string => `document.body.innerText.includes(${JSON.stringify(words)})`;
const see = (name: string): Promise<void> => page.photograph(`build/out/page/${name}.png`);
/** Within the page, as a click on a link does. */
const go = (hash: string): Promise<void> => page.value(`void (location.hash = ${JSON.stringify(`#/${hash}`)})`);
/** A browser tells of each answer that is an error. */
function expect(what: RegExp): void {
  const told = page.complaints.splice(0);
  assert.ok(told.length > 0);
  assert.equal(
    told.filter((one) => !what.test(one)),
    [],
  );
}

async function enter(token: string): Promise<void> {
  await page.fill('#token', token);
  await page.click('#enter');
}
async function enterByKey(keys: string): Promise<void> {
  await page.value(`(() => {
    const files = new DataTransfer();
    files.items.add(new File([${JSON.stringify(keys)}], 'keys'));
    const input = document.querySelector('#key');
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
  })()`);
}

pages('its policy lets nothing in, and nothing out but to where it came from', async () => {
  for (const path of ['', 'page.js', 'api/v1/health']) {
    const { headers } = await fetch(town.url + path);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /^default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; /,
    );
    assert.match(policy, /base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
    assert.is(headers.get('x-content-type-options'), 'nosniff');
  }
  assert.is((await fetch(`${town.url}page.ts`)).status, 404);
  assert.is((await fetch(town.url, { method: 'POST' })).status, 404);
});

pages('who has no token is told so, and so is who has an old one', async () => {
  await page.go(town.url, desktop);
  await page.until("document.querySelector('#token')");
  await see('login');
  await enter('weir_guess');
  await page.until(shows('Nobody of this token or key is known here'));
  await enterByKey('my keys');
  await page.until(shows('This is no file of scripts/consumer keys'));
  await enterByKey(towns.keysOf('stranger'));
  await page.until(shows('Nobody of this token or key is known here'));
  expect(/401/);
});

pages('a coordinator that has just begun says what will be where', async () => {
  await page.go(town.url, desktop);
  await enter(town.tokens.viewer);
  await page.until(shows('viewer, viewer'));
  await page.until(shows('Nobody is in.'));
  await see('empty');
  for (const [hash, words] of [
    ['routers', 'No router has come yet'],
    ['sessions', 'There are no sessions yet'],
    ['disputes', 'Nothing is disputed'],
    ['ledger', 'Nothing is booked yet'],
  ] as const) {
    await go(hash);
    await page.until(shows(words));
  }
});

pages('what is behind it is shown when it comes, and not before somebody looks again', async () => {
  await go('overview/minutes');
  there = await town.furnish();
  await page.until(shows('2 of 2'));
  await page.until(shows('sum 0'));
  await page.until("document.querySelectorAll('tbody tr').length === 3");
});

pages('every view on a desk and on a phone, by day and by night, and none is wider than the screen', async () => {
  const { mill, barn, honest, disputed, forked } = there;
  const views = [
    { name: 'overview', hash: 'overview/minutes', words: 'Billed over time' },
    { name: 'routers', hash: 'routers', words: barn.node.id },
    { name: 'router', hash: `routers/${mill.node.id}`, words: 'are here and make it' },
    { name: 'sessions', hash: 'sessions', words: 'nothing more is billed: sequence: was told twice' },
    { name: 'session', hash: `sessions/${honest}`, words: 'All of it holds.' },
    { name: 'session-disputed', hash: `sessions/${disputed}`, words: 'Disputes of this session' },
    { name: 'session-forked', hash: `sessions/${forked}`, words: 'a second receipt 1' },
    { name: 'disputes', hash: 'disputes', words: 'was told twice, within one boot' },
    { name: 'ledger', hash: 'ledger', words: 'The sum of all accounts is 0, added up here.' },
    { name: 'account', hash: `ledger/${encodeURIComponent(`node/${mill.node.id}`)}`, words: 'receipt 1 agreed' },
  ];
  for (const { name, look, isWhole } of looks) {
    await page.go(town.url, look);
    for (const view of views.filter((one) => isWhole || coloured.includes(one.name))) {
      await go(view.hash);
      await page.until(shows(view.words));
      const [wide, room] = await page.value<[number, number]>('[document.documentElement.scrollWidth, innerWidth]');
      assert.ok(wide <= room, `${view.name} on ${name}: ${wide} of ${room}`);
      await see(`${view.name}-${name}`);
    }
  }
  const asked = await page.value<string[]>("performance.getEntriesByType('resource').map(({ name }) => name)");
  assert.ok(asked.length > views.length);
  assert.equal(
    asked.filter((url) => !url.startsWith(town.url)),
    [],
  );
});

pages('a receipt that comes while somebody looks is checked at once', async () => {
  await page.go(`${town.url}#/sessions/${there.honest}`, desktop);
  await page.until(`${shows('14 of 14')} || ${shows('13 of 14')}`);
  await page.value("document.querySelector('#save').focus()");
  await town.seal(there.honest, 100_000, 3_000_000, true);
  await page.until(`${shows('15 of 15')} && ${shows('18 signed messages')} && ${shows('All of it holds.')}`);
  // Who works with the keyboard has not lost his place.
  assert.is(await page.value('document.activeElement.id'), 'save');
});

pages('what was changed on its way is found here, whatever the coordinator says', async () => {
  await page.go(town.url, desktop);
  await page.until(shows('Billed over time'));
  // A bit of the third receipt's signature, and a figure of the fourth.
  await page.value(`(() => {
    const ask = window.fetch;
    window.fetch = async (url, options) => {
      const answer = await ask(url, options);
      if (!url.endsWith('/evidence')) return answer;
      const lines = (await answer.text()).split('\\n');
      const at = lines.length - 1 - 12;
      lines[at] = lines[at].slice(0, -1) + (lines[at].endsWith('0') ? '1' : '0');
      return new Response(lines.join('\\n'));
    };
  })()`);
  await go(`sessions/${there.honest}`);
  await page.until(shows('✗ does not follow'));
  assert.is(await page.value(shows('All of it holds.')), false);
  await see('session-forged');
  await go('overview');
});

pages('the ledger is added up anew when somebody asks', async () => {
  await page.go(`${town.url}#/ledger`, desktop);
  await page.click('#examine');
  await page.until(shows('every balance is the sum of its entries'));
});

pages('evidence is saved whole', async () => {
  await page.go(`${town.url}?whole#/sessions/${there.honest}`, desktop);
  await page.value(`(() => {
    window.saved = [];
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { window.saved.push(blob); return make.call(URL, blob); };
  })()`);
  await page.click('#save');
  const saved = await page.value<string>('window.saved[0].text()');
  const path = `/sessions/${there.honest}/evidence`;
  assert.is(saved, (await live.ask(town.port, 'GET', path, `Bearer ${town.tokens.viewer}`)).text);
});

pages('a consumer sees its own, by its key, and nothing of another', async () => {
  await page.go(town.url, desktop);
  await page.click('#leave');
  await page.value(
    '(() => { window.sent = []; const ask = window.fetch; window.fetch = (url, o) => { window.sent.push(JSON.stringify([url, o])); return ask(url, o); } })()',
  );
  await enterByKey(towns.keysOf('bob'));
  await page.until(shows('bob, consumer'));
  await page.until(shows(there.disputed.slice(0, 8)));
  assert.equal(await page.value("[...document.querySelectorAll('header nav a')].map((a) => a.textContent)"), ['Sessions', 'Ledger']);
  assert.is(await page.value("document.querySelectorAll('tbody tr').length"), 1);
  await see('consumer');
  await go(`sessions/${there.disputed}`);
  await page.until(shows('All of it holds.'));
  await go('ledger');
  await page.until(shows('Consumer'));
  assert.equal(
    await page.value("[...new Set([...document.querySelectorAll('tbody td:first-child')].map((td) => td.textContent))].length"),
    1,
  );
  // Not of its places: it is where it begins.
  await go('disputes');
  await page.until(shows(there.disputed.slice(0, 8)));
  await go(`sessions/${there.honest}`);
  await page.until(`${shows('is not known')} || ${shows('Is not known')}`);
  const text = await page.value<string>('document.body.innerText');
  assert.is(text.includes('ann'), false);
  const sent = await page.value<string[]>('window.sent');
  const secret = /signer (\w+)/.exec(towns.keysOf('bob'))?.[1] ?? '';
  assert.ok(secret.length === 64 && sent.length > 5);
  assert.is(
    sent.some((one) => one.includes(secret)),
    false,
  );
  assert.is(await page.value('sessionStorage.length'), 0);
  expect(/404/);
});

pages('a coordinator that goes away, and one that is back', async () => {
  await page.go(`${town.url}?again`, desktop);
  await enter(town.tokens.operator);
  await page.until(shows('operator, operator'));
  await page.until(shows('2 of 2'));
  await town.stop();
  await page.until(shows('The coordinator does not answer. What is shown is of'));
  await page.until(shows('2 of 2'));
  await see('gone');
  await town.start();
  await page.until(`!${shows('does not answer')} && ${shows('Billed over time')}`);
  expect(/ERR_CONNECTION|ERR_EMPTY|Failed to fetch|503/);
});

pages('a token that ends while somebody looks', async () => {
  await town.ask('DELETE', '/operators/operator');
  await page.until(shows('Nobody of this token or key is known here'));
  await page.until("document.querySelector('#token')");
  expect(/401/);
});

pages('a router that lies puts no HTML into the page', async () => {
  const evil = '<img src=x onerror=a()>';
  const talker = await town.addRouter('evil', { version: evil });
  await page.go(`${town.url}?evil`, desktop);
  await enter(town.tokens.admin);
  await page.until(shows('admin, admin'));
  await go(`routers/${talker.node.id}`);
  await page.until(shows('onerror'));
  assert.is(await page.value("document.querySelectorAll('img').length"), 0);
});

pages('what is pressed stays until it is let go, whatever comes meanwhile', async () => {
  await page.go(`${town.url}?press`, desktop);
  await page.until(shows('admin, admin'));
  await go('routers');
  const own = `tbody a[href="#/routers/${there.barn.node.id}"]`;
  await page.until(`document.querySelector('${own}')`);
  const pressed = page.click(own, 7000);
  await town.ask('PUT', `/nodes/${there.barn.node.id}/name`, { name: 'the barn' });
  await pressed;
  await page.until(shows('Router the barn'));
});

pages('a router goes by the name that people gave it, and a long list by pages', async () => {
  await town.ask('PUT', `/nodes/${there.mill.node.id}/name`, { name: 'the old mill' });
  for (let i = 0; i < 100; i++) await town.pin(i);
  await page.go(`${town.url}?crowd`, desktop);
  await page.until(shows('the old mill'));
  await go('sessions');
  await page.until(shows('the old mill'));
  await go(`routers/${there.mill.node.id}`);
  await page.until(shows('Router the old mill'));
  await go('routers');
  await page.until("document.querySelectorAll('tbody tr').length === 100");
  const routers = "[...document.querySelectorAll('tbody a')].map((a) => a.hash)";
  const first = await page.value<string[]>(routers);
  await page.click('section + a');
  await page.until("document.querySelectorAll('tbody tr').length === 3");
  assert.is(new Set([...first, ...(await page.value<string[]>(routers))]).size, 103);
  assert.is(await page.value("document.querySelector('section + a')"), null);
  await see('routers-named');
  await page.go(`${town.url}?small#/sessions`, phone);
  await page.until(shows('the old mill'));
  await see('sessions-named-phone-dark');
  // While so many were pinned it may have asked too often, too; it has asked again.
  assert.equal(
    page.complaints.splice(0).filter((one) => !/ 429 /.test(one)),
    [],
  );
});

pages.run();

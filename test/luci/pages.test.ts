import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Browser, Look, Page } from './chromium.ts';
import * as chromium from './chromium.ts';
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
const see = (name: string): Promise<void> => page.photograph(`build/out/luci/${name}.png`);

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

pages.run();

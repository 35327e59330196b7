// Becoming part of a coordinator, by a person's clicks: a whole coordinator with its own broker, and the native agent.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as live from '../coordinator/live.ts';
import type { Browser, Look, Page } from './chromium.ts';
import * as chromium from './chromium.ts';
import * as routers from './router.ts';

const desktop: Look = { width: 1280, height: 900, scheme: 'light' };
const fresh =
  "config share 'share'\n\toption accepted '1'\n\toption paused '0'\n\nconfig broker 'broker'\n\nconfig coordinator 'coordinator'\n\n";
const shows = (words: string): string => `document.body.innerText.includes(${JSON.stringify(words)})`;

const enrolment = suite<{ it: live.Live; router: routers.Router; browser: Browser; page: Page }>('enrolment by LuCI');
enrolment.before(async (context) => {
  context.it = await live.begin(null);
  context.router = await routers.open(fresh);
  await context.router.startAgent();
  context.browser = await chromium.start();
  context.page = await context.browser.open();
});
enrolment.after(async ({ it, router, browser }) => {
  await browser?.close();
  await router?.close();
  await it?.stop();
});

enrolment('a wrong code is refused with its reason; the right one; left again', async ({ it, router, page }) => {
  const root = readFileSync(join(it.options.dir, 'root.pub'), 'utf8').trim();
  const { json } = await live.ask(it.running.http, 'POST', '/tickets', `Bearer ${it.tokens.admin}`, { kind: 'fleet', seconds: 3600 });
  await page.go(router.url('enrol'), desktop);
  await page.fill('#weir-coordinator-claim', 'abcd');
  await page.click('#weir-enrol');
  await page.until("document.activeElement.id === 'weir-coordinator-claim'");
  await page.until("document.querySelector('#weir-coordinator-claim-wrong').textContent.includes('20 letters and digits')");
  await page.fill('#weir-coordinator-claim', 'abcd-efgh-2345-wxyz-mnop');
  await page.click('#weir-enrol');
  await page.until("document.activeElement.id === 'weir-broker-host'");
  await page.fill('#weir-broker-host', '127.0.0.1');
  await page.fill('#weir-broker-port', `${it.running.mqtt}`);
  await page.fill('#weir-broker-user', 'weir');
  await page.fill('#weir-broker-password', live.fleet);
  await page.click('#weir-broker-tls');
  await page.value("document.querySelector('#weir-broker-version').focus()");
  await page.press('ArrowDown');
  await page.click('#weir-enrol');
  await page.until(shows('weir.coordinator.root'));
  await page.fill('#weir-coordinator-root', root);
  await page.photograph('build/out/luci/enrol.png');
  await page.click('#weir-enrol');
  await page.until(shows('Waits for its answer. The link: no broker is set'));
  // A fleet comes within two minutes; this one at once.
  const written = `${router.files.get('weir')}`;
  router.files.set('weir', written.replace('\toption host', "\toption spread '0'\n\toption host"));
  await router.restartAgent();
  await page.until(shows('Refused: '));
  await page.photograph('build/out/luci/enrol-refused.png');

  const leave = async (): Promise<void> => {
    await page.click('#weir-end');
    await page.until("!document.querySelector('#weir-leave-coordinator')");
  };
  await page.click('#weir-leave-coordinator');
  await page.click('#weir-forget');
  await leave();
  assert.match(`${router.files.get('weir')}`, /option host '127\.0\.0\.1'/);
  assert.not.match(`${router.files.get('weir')}`, /claim/);

  await page.fill('#weir-coordinator-claim', `${json['code']}@${root}`);
  await page.click('#weir-enrol');
  await page.until("document.querySelector('#weir-leave-coordinator')");
  await router.restartAgent();
  await page.until(shows('Enrolled: this router is yours there.'));
  await page.photograph('build/out/luci/enrol-done.png');
  await page.click('#weir-leave-coordinator');
  await leave();
  assert.not.match(`${router.files.get('weir')}`, /claim|127\.0\.0\.1/);
  assert.equal(page.complaints, []);
});

enrolment.run();

// The four steps on a real kernel, by a person's clicks: native agent and enforcer, nft, wireguard-go, and a friend whose traffic is counted,
// and stopped by the switch while the agent is dead.

import { decodeQR } from 'qr/decode.js';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as amount from '../../agent/core/amount.ts';
import * as routers from '../fakes/real-router.ts';
import * as at from '../net/ground/addresses.ts';
import { both, echoes, silent, take, token, withinMs } from '../net/guests.ts';
import type { Browser, Look, Page } from './chromium.ts';
import * as chromium from './chromium.ts';
import type { Gateway } from './gateway.ts';
import * as gateway from './gateway.ts';
import type { Stage } from './stage.ts';
import * as stage from './stage.ts';

const desktop: Look = { width: 1280, height: 900, scheme: 'light' };
const shows = (words: string): string => `document.body.innerText.includes(${JSON.stringify(words)})`;

/** A white pixel is 255 in each colour. */
async function readCode(page: Page): Promise<string> {
  const { size, dark } = await page.value<{ size: number; dark: string }>(`(() => {
    const code = document.querySelector('svg.weir-code');
    return { size: code.viewBox.baseVal.width, dark: code.querySelector('path').getAttribute('d') };
  })()`);
  const scale = 4;
  const width = size * scale;
  const data = new Uint8ClampedArray(width * width * 4).fill(255);
  for (const [, x, y] of dark.matchAll(/M(\d+) (\d+)h/g))
    for (let row = 0; row < scale; row++) {
      const from = 4 * ((Number(y) * scale + row) * width + Number(x) * scale);
      for (let i = 0; i < scale; i++) data.fill(0, from + 4 * i, from + 4 * i + 3);
    }
  return decodeQR({ width, height: width, data });
}

const real = routers.daemons.every(routers.isHere);
for (const [title, open] of [['fake', stage.faked] as const, ...(real ? [['real', stage.real] as const] : [])]) {
  const whole = suite<{ it: Stage; door: Gateway; browser: Browser; page: Page }>(`the pages of LuCI on a real kernel, ${title} rpcd`);
  whole.before(async (context) => {
    const it = await open();
    context.it = it;
    await it.enforcer.start();
    await it.served.start();
    await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
    context.door = await gateway.open(it.root, it.login);
    context.browser = await chromium.start();
    context.page = await context.browser.open();
  });
  whole.after(async ({ it, door, browser }) => {
    await browser?.close();
    door?.close();
    await it?.close();
  });

  whole('consent, a friend, traffic in the overview; stopped with the agent dead; shared again', async ({ it, door, page }) => {
    await page.go(door.url('begin'), desktop);
    await page.fill('#weir-limits-monthly_cap', '1024');
    await page.click('#weir-agree');
    await page.click('#weir-share');
    await page.until("document.querySelector('#weir-invite')");
    await it.bringUp();
    await it.enforcer.says(/shares on weir0/);

    await page.fill('#weir-name', 'ann');
    await page.fill('#weir-quota', '1G');
    await page.click('#weir-invite');
    await page.until(shows('grant.quota'));
    await page.until(shows('The limit is your own'));
    await page.fill('#weir-quota', '64M');
    await page.fill('#weir-rate', '100M');
    await page.click('#weir-invite');
    await page.until(shows('PrivateKey = '));
    const config = await page.value<string>("document.querySelector('#weir-made pre').textContent");
    assert.is(await readCode(page), config);
    await take(it, 'c', config);
    for (const to of [at.internet.v4, at.internet.v6]) assert.ok(await echoes(it, 'c', to), to);

    await page.go(door.url('overview'), desktop);
    const flow = { to: at.internet.v4, port: 443, total: 1000, size: 1000, perSecond: 1000, token: token() };
    await it.ground.in('c').ask('udpSend', flow);
    await it.ground.in('internet').ask('counted', { token: flow.token, datagrams: flow.total, withinMs });
    const [row] = await it.rows();
    assert.ok(row !== undefined && both(row.counted) > 1_000_000n);
    await page.until(shows(`${amount.renderSize(both(row.counted))} of 64.0 MiB`));
    await page.until(shows(`${amount.renderSize(await it.month())}`));

    await it.served.kill();
    await page.until(shows('the agent is not running'));
    assert.ok(await echoes(it, 'c'));
    await page.click('#weir-stop');
    await page.until(shows('Paused: nobody gets in'));
    assert.ok(await silent(it, 'c'));

    const before = it.enforcer.lines.length;
    await page.click('#weir-resume');
    await it.bringUp();
    await it.enforcer.says(/shares on weir0/, before);
    await it.served.start();
    await page.until(shows('This router shares'));
    await page.until("document.querySelector('.weir-table .tr:nth-child(2) .td:nth-child(2)').textContent === 'is in'");
    // Who has called in vain waits for five seconds until it calls again.
    assert.ok(await echoes(it, 'c'));
    assert.equal(page.complaints, []);
  });

  whole.run();
}

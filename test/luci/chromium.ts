// A browser as a person uses it: sees what is shown, clicks, types, and reads the console. Speaks the DevTools protocol over a pipe, which
// needs no WebSocket and opens no port.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

type Fields = Readonly<Record<string, unknown>>;
type Message = Readonly<{
  id?: number;
  method?: string;
  params?: Fields;
  result?: Fields;
  error?: Readonly<{ message: string }>;
  sessionId?: string;
}>;

export type Look = Readonly<{ width: number; height: number; scheme: 'light' | 'dark' }>;
export type Page = Readonly<{
  go(url: string, look: Look): Promise<void>;
  /** Where a person would: in the middle of what can be seen; and as slowly. */
  click(selector: string, heldMs?: number): Promise<void>;
  /** In place of what stands there. */
  fill(selector: string, text: string): Promise<void>;
  press(key: string): Promise<void>;
  /** Where the keys go. */
  type(text: string): Promise<void>;
  /** Waits until the expression is true of the page, and says what the page shows when it never is. */
  until(expression: string): Promise<void>;
  value<T>(expression: string): Promise<T>;
  photograph(file: string): Promise<void>;
  /** What the console complains of. */
  complaints: string[];
}>;
export type Browser = Readonly<{ open(): Promise<Page>; close(): Promise<void> }>;

const patience = 60_000;

export async function start(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-chromium-'));
  const child = spawn(
    'chromium',
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--hide-scrollbars',
      `--user-data-dir=${folder}`,
      '--remote-debugging-pipe',
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  process.once('exit', () => child.kill('SIGKILL'));
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, (m: Message) => void>();
  const listeners = new Map<string, (m: Message) => void>();
  let half = '';
  let last = 0;
  from.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (half + chunk).split('\0');
    half = parts.pop() ?? '';
    for (const part of parts) {
      const m = JSON.parse(part) as Message;
      if (m.id === undefined) listeners.get(m.sessionId ?? '')?.(m);
      else waiting.get(m.id)?.(m);
    }
  });

  function send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    last += 1;
    const id = last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`chromium does not answer ${method}`)), patience);
      waiting.set(id, (m) => {
        clearTimeout(timer);
        waiting.delete(id);
        if (m.error === undefined) resolve(m.result ?? {});
        else reject(new Error(`${method}: ${m.error.message}`));
      });
      to.write(`${JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })}\0`);
    });
  }

  return {
    async open() {
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
      const complaints: string[] = [];
      listeners.set(`${sessionId}`, (m) => {
        const complaint = complaintIn(m);
        if (complaint !== null) complaints.push(complaint);
      });
      const ask = (method: string, params: Fields = {}): Promise<Fields> => send(method, params, `${sessionId}`);
      for (const domain of ['Page', 'Runtime', 'Log']) await ask(`${domain}.enable`);
      return pageOf(ask, complaints);
    },
    async close() {
      // Killed, it would leave children behind that go on writing.
      await send('Browser.close');
      await ended;
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

function complaintIn({ method, params = {} }: Message): string | null {
  const of = (name: string): Fields => (params[name] ?? {}) as Fields;
  if (method === 'Runtime.exceptionThrown') return JSON.stringify(of('exceptionDetails'));
  if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(`${params['type']}`))
    return JSON.stringify(params['args']);
  const entry = of('entry');
  return method === 'Log.entryAdded' && entry['level'] === 'error' ? `${entry['text']} ${entry['url'] ?? ''}` : null;
}

function pageOf(ask: (method: string, params?: Fields) => Promise<Fields>, complaints: string[]): Page {
  async function value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }
  async function until(expression: string): Promise<void> {
    const end = Date.now() + patience;
    const held = (): Promise<boolean> =>
      value<boolean>(`new Promise((resolve) => {
        const look = () => {
          let is = false;
          try { is = Boolean(${expression}); } catch {}
          if (is || Date.now() > ${end - 5000}) resolve(is); else setTimeout(look, 50);
        };
        look();
      })`).catch((error: Error) => {
        // The page that was asked gave way to another.
        if (/navigated|context was destroyed|Cannot find context/.test(error.message) && Date.now() < end) return held();
        throw error;
      });
    if (await held()) return;
    throw new Error(`never so: ${expression}\n${await value<string>('document.body.innerText')}\n${complaints.join('\n')}`);
  }
  const mouse = (type: string, x: number, y: number): Promise<Fields> =>
    ask('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons: type === 'mousePressed' ? 1 : 0, clickCount: 1 });
  const key = async (name: string, more: Fields): Promise<void> => {
    await ask('Input.dispatchKeyEvent', { type: 'keyDown', key: name, ...more });
    await ask('Input.dispatchKeyEvent', { type: 'keyUp', key: name, ...more });
  };
  async function type(text: string): Promise<void> {
    for (const letter of text) await ask('Input.dispatchKeyEvent', { type: 'char', text: letter });
  }
  async function click(selector: string, heldMs = 0): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    await until(`${found} && !${found}.disabled && ${found}.getClientRects().length > 0`);
    const { x, y, isFree } = await value<{ x: number; y: number; isFree: boolean }>(`(async () => {
      const it = ${found};
      it.scrollIntoView({ block: 'center', behavior: 'instant' });
      // Nobody hits what moves.
      const placeOf = () => JSON.stringify(it.getBoundingClientRect());
      for (let before = ''; before !== placeOf(); ) {
        before = placeOf();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const { left, top, width, height } = it.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      const at = document.elementFromPoint(x, y);
      return { x, y, isFree: at !== null && (it === at || it.contains(at)) };
    })()`);
    if (!isFree) throw new Error(`something else lies over ${selector}`);
    await mouse('mouseMoved', x, y);
    await mouse('mousePressed', x, y);
    await new Promise((resolve) => setTimeout(resolve, heldMs));
    await mouse('mouseReleased', x, y);
  }
  return {
    complaints,
    value,
    until,
    click,
    type,
    async go(url, { width, height, scheme }) {
      await ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await ask('Page.navigate', { url });
      await until(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
    },
    async fill(selector, text) {
      await click(selector);
      await value(`document.querySelector(${JSON.stringify(selector)}).select()`);
      if (text === '') await key('Delete', { code: 'Delete', windowsVirtualKeyCode: 46 });
      await type(text);
      await key('Tab', { code: 'Tab', windowsVirtualKeyCode: 9 });
    },
    async press(name) {
      const codes: Readonly<Record<string, number>> = { Tab: 9, Enter: 13, ' ': 32, ArrowRight: 39, ArrowDown: 40, Escape: 27 };
      const text = name === 'Enter' ? '\r' : name === ' ' ? ' ' : undefined;
      await key(name, {
        windowsVirtualKeyCode: codes[name] ?? 0,
        code: name === ' ' ? 'Space' : name,
        ...(text !== undefined && { text }),
      });
    },
    async photograph(file) {
      // A head that stays at the top would lie in the midst of the picture.
      await value('scrollTo(0, 0)');
      const { cssContentSize } = (await ask('Page.getLayoutMetrics')) as { cssContentSize: { width: number; height: number } };
      const clip = { x: 0, y: 0, width: cssContentSize.width, height: Math.min(6000, cssContentSize.height), scale: 1 };
      const { data } = await ask('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip });
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, Buffer.from(`${data}`, 'base64'));
    },
  };
}

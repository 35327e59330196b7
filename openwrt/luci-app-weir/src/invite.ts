// A friend's invitation: what is asked for, the key made here in the browser, the configuration shown once. The secret never leaves this page;
// the router hears the public key alone.

import { encodeQR } from 'qr';
import * as amount from '../../../agent/core/amount.ts';
import type { SecretKey } from '../../../agent/core/brand.ts';
import * as endpoints from '../../../agent/core/endpoint.ts';
import { type Fault, fail, ok, type Result, text } from '../../../agent/core/result.ts';
import * as x25519 from '../../../agent/crypto/x25519.ts';
import * as base64 from '../../../agent/wire/base64.ts';
import * as told from '../../../agent/wire/told.ts';
import * as wgquick from '../../../agent/wire/wgquick.ts';
import * as door from './door.ts';
import { alert, button, draw, el } from './element.ts';
import { type Field, field, readAll, typed } from './field.ts';
import { ask } from './router.ts';

/** As a field says it. */
export const wrongIn =
  (parse: (text: string) => Result<unknown>) =>
  (text: string): string | null => {
    const read = parse(text);
    return read.ok ? null : read.fault.reason;
  };

const isName = (name: string): Result<string> =>
  /^[A-Za-z0-9_.-]{1,32}$/.test(name) ? ok(name) : fail('malformed', '', _('1 to 32 letters, digits, dashes, underscores or dots'));

export const moreFields = (): Readonly<Record<'quota' | 'days', Field>> => ({
  quota: field(
    { name: 'quota', label: _('Quota'), help: _('Both directions together: 500M, 20G, 1T'), wrong: wrongIn(amount.parseSize) },
    typed('', '5G'),
  ),
  days: field(
    { name: 'days', label: _('Days'), help: _('Days that this router is powered on'), wrong: wrongIn(amount.parseDays) },
    typed('', '30'),
  ),
});

/** `done`: what is to be shown instead of the form. `act`: the button that makes it. */
export function form(done: (shown: HTMLElement) => void): Readonly<{ node: HTMLElement; act: HTMLButtonElement }> {
  const needed = { isNeeded: true };
  const fields = {
    name: field(
      { name: 'name', label: _('Name'), help: _('Yours for this friend; it stays on this router'), wrong: wrongIn(isName), ...needed },
      typed('', 'anna'),
    ),
    quota: field(
      { name: 'quota', label: _('Quota'), help: _('Both directions together: 500M, 20G, 1T'), wrong: wrongIn(amount.parseSize), ...needed },
      typed('5G', '5G'),
    ),
    rate: field(
      {
        name: 'rate',
        label: _('Rate'),
        help: _('Bits per second: 800k, 10M; or down and up: 50M/10M'),
        wrong: wrongIn(amount.parseRate),
        ...needed,
      },
      typed('5M', '5M'),
    ),
    days: field(
      { name: 'days', label: _('Days'), help: _('Days that this router is powered on'), wrong: wrongIn(amount.parseDays), ...needed },
      typed('30', '30'),
    ),
    endpoint: field(
      {
        name: 'endpoint',
        label: _('Where the friend calls'),
        help: _(
          'A name (dynamic DNS) or address of this router, with the port where another one is forwarded. Without it, an address of the uplink',
        ),
        wrong: (text) => (endpoints.parse(text) === null ? _('expected HOST or HOST:PORT, with an IPv6 address in brackets') : null),
      },
      typed('', _('found by itself')),
    ),
  };
  const trouble = el('div');
  const act = button(
    _('Make the key and the code'),
    'positive',
    async () => {
      trouble.replaceChildren();
      const values = readAll(fields);
      if (values === null) return;
      const made = await invite({
        name: `${values.name}`,
        quota: `${values.quota}`,
        rate: `${values.rate}`,
        days: `${values.days}`,
        endpoint: values.endpoint.length === 0 ? null : endpoints.parse(`${values.endpoint}`),
      });
      if (made.ok) done(shown(made.value));
      else trouble.append(alert('error', says(made.fault)));
    },
    { id: 'weir-invite' },
  );
  return { node: el('div', {}, ...Object.values(fields).map(({ node }) => node), trouble), act };
}

/** What a friend's wish meets first are the owner's own ceilings. What is said of the command line's option is of no use here. */
export function says(why: Fault): string {
  const reason = text(why).replace(/(\d+) bytes/, (_bytes, n: string) => amount.renderSize(BigInt(n)));
  if (/^grant\.(quota|rate)/.test(why.path)) return `${reason}. ${_('The limit is your own: see the settings.')}`;
  return reason.replace(
    '--endpoint HOST[:PORT], or for good the option weir.tunnel.endpoint',
    _('in the field above, or for good in the settings'),
  );
}

type Wish = Readonly<{ name: string; quota: string; rate: string; days: string; endpoint: endpoints.Endpoint | null }>;
type Made = Readonly<{ name: string; config: string; notes: readonly string[] }>;

async function invite({ name, endpoint, ...wish }: Wish): Promise<Result<Made>> {
  const [quota, rate, days] = [amount.parseSize(wish.quota), amount.parseRate(wish.rate), amount.parseDays(wish.days)];
  if (!quota.ok) return quota;
  if (!rate.ok) return rate;
  if (!days.ok) return days;
  // First, so that nobody is granted what nobody can reach.
  const here = await door.look(endpoint);
  if (!here.ok) return here;
  const secret = crypto.getRandomValues(new Uint8Array(32)) as SecretKey;
  const answer = await ask('weir', 'friend_add', {
    name,
    key: base64.encode(x25519.publicKey(secret)),
    quota: Number(quota.value),
    rate_up: Number(rate.value.up),
    rate_down: Number(rate.value.down),
    seconds: days.value,
  });
  const opened = answer.ok ? told.decodeOpened(answer.value) : answer;
  if (!opened.ok) return opened;
  const { address4, address6 } = opened.value;
  const { at, ...rest } = here.value;
  return ok({
    name,
    config: wgquick.render({ ...rest, address4, address6, endpoint: at.at, secret: base64.encode(secret) }),
    notes: at.notes,
  });
}

function shown({ name, config, notes }: Made): HTMLElement {
  const file = URL.createObjectURL(new Blob([config], { type: 'application/octet-stream' }));
  return el(
    'div',
    { class: 'weir', id: 'weir-made' },
    alert('warning', _('Shown once: the key in it was made in this browser and is kept nowhere. Whoever has it has the session.')),
    el('p', {}, _('Scan this with the WireGuard app, or save the file.')),
    codeOf(config),
    el('pre', {}, config),
    el('p', {}, el('a', { class: 'btn cbi-button cbi-button-action', href: file, download: `${name}.conf` }, _('Save the file'))),
    ...notes.map((note) => el('p', {}, note.replace(': --endpoint NAME', ''))),
  );
}

/** Black on white whatever the theme is, with the quiet zone that readers expect. */
function codeOf(config: string): SVGElement {
  const pixels = encodeQR(config, 'raw', { ecc: 'low', border: 4 });
  const dark = pixels.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
  return draw(
    'svg',
    {
      class: 'weir-code',
      viewBox: `0 0 ${pixels.length} ${pixels.length}`,
      role: 'img',
      'aria-label': _('QR code'),
      'shape-rendering': 'crispEdges',
    },
    draw('path', { d: dark.join(''), fill: '#000' }),
  );
}

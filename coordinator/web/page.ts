// The coordinator's page: who asks, which view, and a look every few seconds. It only looks; what changes something is asked over HTTP.

import { type Fault, ok, type Result } from '../../agent/core/result.ts';
import * as api from './api.ts';
import * as disputes from './disputes.ts';
import { type Child, el, link, note, renew } from './element.ts';
import * as ledger from './ledger.ts';
import * as overview from './overview.ts';
import * as routers from './routers.ts';
import * as session from './session.ts';
import type { Asking, View, Who } from './view.ts';
import { time } from './words.ts';

type Place = Readonly<{ title: string; all: View; one: View | null; isForConsumers: boolean }>;
const places: Readonly<Record<string, Place>> = {
  overview: { title: 'Overview', all: overview.view, one: null, isForConsumers: false },
  routers: { title: 'Routers', all: routers.list, one: routers.one, isForConsumers: false },
  sessions: { title: 'Sessions', all: session.list, one: session.one, isForConsumers: true },
  disputes: { title: 'Disputes', all: disputes.view, one: null, isForConsumers: false },
  ledger: { title: 'Ledger', all: ledger.view, one: ledger.one, isForConsumers: true },
};
const placesOf = ({ kind }: Who): readonly string[] =>
  Object.entries(places).flatMap(([name, { isForConsumers }]) => (kind === 'operator' || isForConsumers ? [name] : []));

const every = 3000;
/** Of this tab alone, until it is closed. A consumer's key is not kept at all. */
const kept = 'weir.token';

const header = el('header');
const main = el('main');
document.body.replaceChildren(header, main);

let leave: () => void = () => undefined;

// ── Who asks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function meet(credentialsFor: (root: string) => api.Credentials): Promise<Result<Asking>> {
  const health = await api.open(null).get<{ root: string }>('/health');
  if (!health.ok) return health;
  const { root } = health.value;
  const asked = api.open(credentialsFor(root));
  const who = await asked.get<Who>('/me');
  return who.ok ? ok({ api: asked, who: who.value, root }) : who;
}

function wordsOf({ code, reason }: Fault): string {
  if (code === 'stranger') return 'Nobody of this token or key is known here.';
  if (code === 'expired') return `It is not taken any more: ${reason}.`;
  if (code === 'limit') return 'Too many requests. Wait a moment.';
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;
}

function login(why: string | null): void {
  leave();
  const token = el('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    required: true,
    placeholder: 'weir_…',
  });
  const file = el('input', { id: 'key', type: 'file', change: () => byFile() });
  const said = el('div', {}, why === null ? null : note('bad', why));
  const begin = async (credentialsFor: Parameters<typeof meet>[0]): Promise<boolean> => {
    said.replaceChildren(note('plain', 'Asking…'));
    const met = await meet(credentialsFor);
    if (met.ok) enter(met.value);
    else said.replaceChildren(note('bad', wordsOf(met.fault)));
    return met.ok;
  };
  async function byFile(): Promise<void> {
    const [, secret] = /^weir consumer keys 1\n.*\nsigner ([0-9a-f]{64})\n$/.exec((await file.files?.[0]?.text()) ?? '') ?? [];
    if (secret === undefined) said.replaceChildren(note('bad', 'This is no file of scripts/consumer keys.'));
    else await begin((root) => api.byKey(secret, root));
  }
  async function byToken(event: Event): Promise<void> {
    event.preventDefault();
    if (await begin(() => api.byToken(token.value.trim()))) sessionStorage.setItem(kept, token.value.trim());
  }
  header.replaceChildren(el('span', { class: 'brand' }, 'Weir'));
  main.replaceChildren(
    el(
      'form',
      { class: 'login', submit: byToken },
      el('h1', {}, 'Who are you?'),
      el('label', { for: 'token' }, 'An operator’s token'),
      token,
      el('button', { type: 'submit', id: 'enter' }, 'Enter'),
      el('label', { for: 'key' }, 'Or, as a consumer, your file of keys'),
      file,
      el('small', {}, 'The key signs what this page asks, here, and is sent nowhere.'),
      said,
    ),
  );
  token.focus();
}

// ── What is shown ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function whereIn(who: Who): Readonly<{ name: string; view: View; parts: readonly string[]; title: string }> {
  const [, given = '', ...parts] = location.hash.split('/').map(decoded);
  const names = placesOf(who);
  const name = names.includes(given) ? given : `${names[0]}`;
  const place = places[name];
  if (place === undefined) throw new Error(`no place is called ${name}`);
  const isOne = place.one !== null && parts[0] !== undefined && !['open', 'after'].includes(parts[0]);
  return { name, parts: name === given ? parts : [], title: place.title, view: isOne && place.one !== null ? place.one : place.all };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Somebody typed it: it names nothing.
    return part;
  }
}

function enter(asking: Asking): void {
  const { who } = asking;
  let turn = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stamp = '';
  let seen: number | null = null;
  const trouble = el('div', {});
  const place = el('div', {});
  main.replaceChildren(trouble, place);

  function show(children: readonly Child[]): void {
    renew(place, ...children);
  }
  async function look(): Promise<void> {
    turn += 1;
    const mine = turn;
    clearTimeout(timer);
    const { view, parts } = whereIn(who);
    const found = await view(asking, parts);
    // Somebody has gone elsewhere meanwhile.
    if (mine !== turn) return;
    if (!found.ok && (found.fault.code === 'stranger' || found.fault.code === 'expired')) return signOut(wordsOf(found.fault));
    if (found.ok) {
      seen = Math.floor(Date.now() / 1000);
      // What is pressed stays until it is let go.
      if (found.value.stamp !== stamp && place.querySelector(':active') === null) {
        show(found.value.show());
        stamp = found.value.stamp;
      }
    } else if (seen === null) show([]);
    trouble.replaceChildren(
      ...(found.ok ? [] : [note('bad', wordsOf(found.fault), seen === null ? '' : ` What is shown is of ${time(seen)}.`)]),
    );
    if (!document.hidden) timer = setTimeout(look, every);
  }
  function go(): void {
    const { name, title } = whereIn(who);
    document.title = `${title} · Weir`;
    header.replaceChildren(
      el('span', { class: 'brand' }, 'Weir'),
      el(
        'nav',
        {},
        ...placesOf(who).map((one) => {
          const tab = link(one, places[one]?.title ?? one);
          if (one === name) tab.setAttribute('aria-current', 'page');
          return tab;
        }),
      ),
      el('span', { class: 'who' }, `${who.name}, ${who.role ?? 'consumer'}`),
      el('button', { type: 'button', id: 'leave', click: () => signOut(null) }, 'Leave'),
    );
    stamp = '';
    seen = null;
    trouble.replaceChildren();
    show([el('p', { class: 'empty' }, 'Loading…')]);
    scrollTo(0, 0);
    void look();
  }
  const woken = (): void => void (document.hidden || look());
  leave = () => {
    turn += 1;
    clearTimeout(timer);
    removeEventListener('hashchange', go);
    document.removeEventListener('visibilitychange', woken);
    leave = () => undefined;
  };
  addEventListener('hashchange', go);
  document.addEventListener('visibilitychange', woken);
  go();
}

function signOut(why: string | null): void {
  sessionStorage.removeItem(kept);
  login(why);
}

const before = sessionStorage.getItem(kept);
const again = before === null ? null : await meet(() => api.byToken(before));
if (again?.ok) enter(again.value);
else login(again === null ? null : wordsOf(again.fault));

// The first page: what is shared now, with whom, how much of the month is used, and the switch that ends it. The switch asks the enforcer, so
// that it works without the agent.

import * as amount from '../../../agent/core/amount.ts';
import { seconds } from '../../../agent/core/brand.ts';
import type { Result } from '../../../agent/core/result.ts';
import { text } from '../../../agent/core/result.ts';
import * as base64 from '../../../agent/wire/base64.ts';
import type { Table } from '../../../agent/wire/blobmsg.ts';
import * as enforcer from '../../../agent/wire/enforcer.ts';
import * as evidence from '../../../agent/wire/evidence.ts';
import * as fields from '../../../agent/wire/fields.ts';
import * as report from '../../../agent/wire/report.ts';
import type { Session } from '../../../agent/wire/told.ts';
import * as told from '../../../agent/wire/told.ts';
import type { Point } from './chart.ts';
import { chart } from './chart.ts';
import { dialog } from './dialog.ts';
import type { Child } from './element.ts';
import { alert, bar, button, el, renew, rows, section, style } from './element.ts';
import { ask } from './router.ts';
import * as words from './words.ts';

type Picture = Readonly<{
  facts: Result<Table>;
  seats: Result<enforcer.Page>;
  agent: Result<Table>;
  sessions: Result<readonly Session[]>;
  at: number;
}>;

async function look(): Promise<Picture> {
  const [facts, seats, agent, sessions] = await Promise.all([
    ask('weir.enforcer', 'facts'),
    ask('weir.enforcer', 'read', { from: 1, most: 256 }),
    ask('weir', 'status'),
    ask('weir', 'sessions'),
  ]);
  return {
    facts,
    seats: seats.ok ? enforcer.decodePage(seats.value) : seats,
    agent,
    sessions: sessions.ok ? told.decodeSessions(sessions.value) : sessions,
    at: performance.now(),
  };
}

const word = (t: Result<Table>, name: string): string | null => {
  const read = t.ok ? fields.string(t.value, name) : t;
  return read.ok ? read.value : null;
};
const size = (t: Result<Table>, name: string): bigint | null => {
  const read = t.ok ? fields.integer(t.value, name) : t;
  return read.ok ? read.value : null;
};
const isNo = (t: Result<Table>, name: string): boolean => {
  const read = t.ok ? fields.boolean(t.value, name) : t;
  return read.ok && !read.value;
};

/** By which of the owner's own words nothing is shared. */
const refused = (facts: Result<Table>): 'accepted' | 'paused' | null => {
  const why = word(facts, 'why') ?? '';
  return why.startsWith('weir.share.accepted') ? 'accepted' : why.startsWith('weir.share.paused') ? 'paused' : null;
};

/** What passed between two looks, of those who are in both; a counter that began anew has nothing to compare with. */
function rateBetween(before: Picture | null, now: Picture): Point | null {
  if (before === null || !before.seats.ok || !now.seats.ok) return null;
  const span = (now.at - before.at) / 1000;
  const old = new Map(before.seats.value.rows.map((row) => [`${row.slot} ${row.generation}`, row.counted]));
  const sum = { down: 0, up: 0 };
  for (const { slot, generation, counted } of now.seats.value.rows) {
    const then = old.get(`${slot} ${generation}`);
    if (then === undefined) continue;
    sum.down += Math.max(0, Number(counted.down - then.down));
    sum.up += Math.max(0, Number(counted.up - then.up));
  }
  return { at: now.at, down: (8 * sum.down) / span, up: (8 * sum.up) / span };
}

// ── The parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const card = (title: string, value: string, ...more: readonly Child[]): HTMLElement =>
  el('div', { class: 'weir-card' }, el('b', {}, title), el('strong', {}, value), ...more);
const small = (says: string): HTMLElement => el('small', {}, says);

function cards({ facts, agent, sessions, seats }: Picture): readonly HTMLElement[] {
  const [used, cap, rate] = [size(facts, 'month_used'), size(facts, 'month_cap'), size(facts, 'guests_rate')];
  const today = size(facts, 'today_used');
  const passed = sessions.ok ? sessions.value.reduce((sum, { up, down }) => sum + up + down, 0n) : null;
  const clocks: Readonly<Record<string, string>> = { unknown: _('not set yet'), network: _('set'), signed: _('set, and confirmed') };
  const clock = word(agent, 'clock');
  const share = used === null || cap === null ? null : Number(used) / Number(cap);
  return [
    card(_('Today'), today === null ? '–' : amount.renderSize(today), small(_('the day begins at midnight UTC'))),
    card(
      _('This month'),
      used === null ? '–' : amount.renderSize(used),
      ...(cap === null || share === null
        ? [used === null ? null : small(_('no cap'))]
        : [bar(share, `${Math.round(100 * share)} %`), small(`${_('of')} ${amount.renderSize(cap)}, ${Math.round(100 * share)} %`)]),
    ),
    card(
      _('Guests now'),
      seats.ok ? `${seats.value.rows.length}` : '–',
      passed === null ? null : small(`${amount.renderSize(passed)} ${_('in the sessions below')}`),
    ),
    ...(rate === null ? [] : [card(_('Left over for guests'), amount.renderRate(rate), small(_('your household comes first')))]),
    card(_('Agent'), agent.ok ? words.link(word(agent, 'link') ?? '–') : _('is not running'), small(word(agent, 'node') ?? '')),
    card(_('Clock'), clock === null ? '–' : (clocks[clock] ?? clock)),
    card(_('Rules proven for'), word(facts, 'canary') ?? '–', small(_('before anybody is let in'))),
  ];
}

function notes({ facts, agent, seats }: Picture): readonly HTMLElement[] {
  const why = word(facts, 'why');
  const troubles = facts.ok ? fields.array(facts.value, 'troubles') : facts;
  const said = troubles.ok ? troubles.value.flatMap((v) => (v.kind === 'string' && typeof v.value === 'string' ? [v.value] : [])) : [];
  return [
    ...(facts.ok ? [] : [alert('error', text(facts.fault))]),
    ...(agent.ok ? [] : [alert('warning', text(agent.fault))]),
    ...(facts.ok && !seats.ok ? [alert('warning', text(seats.fault))] : []),
    ...(why !== null && refused(facts) === null ? [alert('warning', `${_('Nothing is shared')}: ${why}`)] : []),
    ...said.map((trouble) => alert('warning', trouble)),
    ...(isNo(agent, 'key_saved')
      ? [
          alert(
            'warning',
            `${_('The key of this router has no backup yet, and nobody can make it again. In a shell')}: weir key backup FILE`,
          ),
        ]
      : []),
  ];
}

function sessionsOf({ sessions }: Picture): Node {
  if (!sessions.ok) return el('p', {}, '–');
  if (sessions.value.length === 0) return el('p', {}, _('Nobody is in.'));
  return rows(
    [_('Who'), _('State'), _('Used'), _('Ends'), _('Receipts')],
    sessions.value.map((s) => {
      const used = s.up + s.down;
      const shown = s.quota === null ? amount.renderSize(used) : `${amount.renderSize(used)} ${_('of')} ${amount.renderSize(s.quota)}`;
      return [
        s.name ?? s.session.slice(0, 8),
        words.state(s),
        el('div', {}, shown, s.quota === null ? null : bar(Number(used) / Number(s.quota), shown)),
        s.condition === 'closed' ? '–' : amount.renderSpan(seconds(s.seconds)),
        el(
          'span',
          {},
          button(`${s.sequence}`, 'neutral', () => receipts(s), {
            id: `weir-receipts-${s.session}`,
            title: _('Save the signed receipts'),
            disabled: s.sequence === 0,
          }),
          s.witnessed === null ? null : ` ${_('countersigned up to')} ${s.witnessed}`,
        ),
      ];
    }),
  );
}

// ── What is done ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** As `weir verify` reads them. */
async function receipts({ session, name }: Session): Promise<void> {
  const messages = new Map<string, Uint8Array>();
  for (let [from, more] = [1, true]; more; from += 32) {
    const answer = await ask('weir', 'receipts', { session, from });
    const page = answer.ok ? told.decodeReceipts(answer.value) : answer;
    if (!page.ok) return dialog(_('Receipts'), [alert('error', text(page.fault))]);
    // Each page begins with the grants.
    for (const bytes of page.value.messages) messages.set(base64.encode(bytes), bytes);
    more = page.value.more;
  }
  const file = new Blob([evidence.render([...messages.values()])], { type: 'text/plain' });
  const link = el(
    'a',
    { href: URL.createObjectURL(file), download: `weir-${name ?? session.slice(0, 8)}.txt`, class: 'btn cbi-button' },
    _('Save'),
  );
  dialog(_('Receipts'), [
    el(
      'p',
      {},
      `${messages.size} ${_('signed messages: what was granted, and what was used. Anybody can check them with the program verify.')}`,
    ),
    link,
  ]);
}

async function doctor(): Promise<void> {
  const answer = await ask('weir.enforcer', 'doctor');
  const findings = answer.ok ? report.decodeFindings(answer.value) : answer;
  if (!findings.ok) return dialog(_('Examination'), [alert('error', text(findings.fault))]);
  const marks = { good: '✓', note: '•', bad: '✗' };
  const lines = findings.value.map(({ grade, about, says, mend }) =>
    el('li', {}, `${marks[grade]} ${about}: ${says}`, mend === '' ? null : el('div', {}, el('b', {}, `${_('To mend')}: `), mend)),
  );
  dialog(_('Examination'), [el('ul', { style: 'list-style: none; padding: 0' }, ...lines)]);
}

// ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const page: View = {
  render() {
    const state = el('h3', { 'aria-live': 'polite' });
    const [warnings, drawing, table] = [el('div'), el('div'), el('div')];
    const shown = el('div', { class: 'weir-cards' });
    let before: Picture | null = null;
    let points: readonly Point[] = [];

    const order = async (method: 'pause' | 'resume' | 'setup'): Promise<void> => {
      const done = await ask('weir.enforcer', method);
      if (!done.ok) dialog(_('The enforcer refused'), [alert('error', text(done.fault))]);
      await tick();
    };
    const stop = button(_('Stop sharing now'), 'negative', () => order('pause'), { id: 'weir-stop', hidden: true });
    const resume = button(_('Share again'), 'positive', () => order('resume'), { id: 'weir-resume', hidden: true });
    const setup = button(_('Set up anew'), 'positive', () => order('setup'), { id: 'weir-setup', hidden: true });
    const begin = el(
      'a',
      { class: 'btn cbi-button cbi-button-positive', id: 'weir-begin', hidden: true, href: L.url('admin/services/weir/begin') },
      _('Begin sharing'),
    );

    async function tick(): Promise<void> {
      const now = await look();
      const point = rateBetween(before, now);
      before = now;
      if (point !== null) points = [...points.slice(-60), point];
      const no = refused(now.facts);
      const isSharing = now.facts.ok && word(now.facts, 'why') === null;
      const says = !now.facts.ok
        ? _('Not known')
        : isSharing
          ? _('This router shares')
          : no === 'paused'
            ? _('Paused: nobody gets in')
            : no === 'accepted'
              ? _('Nothing is shared before you say so')
              : _('Nothing is shared');
      if (state.textContent !== says) state.textContent = says;
      stop.hidden = no !== null;
      resume.hidden = no !== 'paused';
      setup.hidden = no !== null || !/\bweir setup\b/.test(word(now.facts, 'why') ?? '');
      begin.hidden = no !== 'accepted';
      renew(warnings, ...notes(now));
      renew(shown, ...cards(now));
      renew(drawing, chart(points, now.at));
      renew(table, sessionsOf(now));
    }
    poll.add(tick, 3);
    return el(
      'div',
      { class: 'weir' },
      style(),
      el('h2', {}, _('Weir')),
      state,
      el(
        'div',
        { class: 'weir-row' },
        stop,
        resume,
        setup,
        begin,
        button(_('Examine'), 'neutral', doctor, { id: 'weir-doctor', style: 'margin-left: auto' }),
      ),
      warnings,
      shown,
      section(_('Rate of all guests'), drawing),
      section(_('Sessions'), table),
    );
  },
  handleSave: null,
  handleSaveApply: null,
  handleReset: null,
};

// Coordinators: become part of one by its code, see what it answered, leave it. What is asked for here is in the settings, too.

import type { PublicKey } from '../../../agent/core/brand.ts';
import { text } from '../../../agent/core/result.ts';
import type { Section } from '../../../agent/core/settings.ts';
import { sha256 } from '../../../agent/crypto/sha.ts';
import type { Table } from '../../../agent/wire/blobmsg.ts';
import * as cose from '../../../agent/wire/cose.ts';
import * as fields from '../../../agent/wire/fields.ts';
import { bytesOf } from '../../../agent/wire/form.ts';
import { dialog, enters } from './dialog.ts';
import { alert, button, el, renew, section, style } from './element.ts';
import type { Field } from './field.ts';
import { attend, readAll, ticked } from './field.ts';
import * as option from './option.ts';
import { ask, config, type Edit, save } from './router.ts';
import * as words from './words.ts';

type Sections = readonly Section[];

const given = ({ options }: Section, name: string): string => [options.get(name) ?? ''].flat().join(' ');
const sectionsOf = (kind: 'broker' | 'coordinator', sections: Sections): Sections =>
  sections.filter(({ name, type, options }) => (name === kind || type === kind) && options.size > 0);

/** Of the key that is trusted; the code may bring it. */
function idOf(one: Section): string | null {
  const root = given(one, 'root') || (given(one, 'claim').split('@')[1] ?? '');
  return /^[0-9a-f]{64}$/.test(root) ? cose.keyIdOf(bytesOf(root) as PublicKey, { sha256 }) : null;
}

// ── What they have answered ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const word = (agent: Table, name: string): string => {
  const read = fields.string(agent, name);
  return read.ok ? read.value : '';
};

/** A line for each that was asked; a reason may hold what parts them. */
const answersIn = (agent: Table): ReadonlyMap<string, string> =>
  new Map(
    word(agent, 'enrolled')
      .split(/; (?=[a-z2-7]{16}: )/)
      .map((line) => [line.slice(0, 16), line.slice(18)]),
  );

function stateOf(one: Section, agent: Table): HTMLElement {
  const answer = answersIn(agent).get(idOf(one) ?? '') ?? '';
  if (answer === 'enrolled') return alert('success', _('Enrolled: this router is yours there.'));
  if (answer.startsWith('refused: ')) return alert('error', `${_('Refused')}: ${answer.slice(9)}`);
  if (given(one, 'claim') === '') return alert('info', _('Trusted by its root key, without a code.'));
  const link = [words.link(word(agent, 'link')), word(agent, 'next'), word(agent, 'why')].filter((says) => says !== '');
  return alert('warning', `${_('Waits for its answer. The link')}: ${link.join(', ')}`);
}

function leave(one: Section, sections: Sections, done: () => Promise<void>): void {
  const forget = ticked(sectionsOf('coordinator', sections).length === 1);
  forget.input.id = 'weir-forget';
  const trouble = el('div');
  const end = async (): Promise<void> => {
    const gone = [one, ...(forget.value() === '1' ? sectionsOf('broker', sections) : [])];
    const wrong = await save(
      sections,
      gone.map(({ name, type }) => ({ section: name, type, options: null })),
    );
    if (wrong !== null) return trouble.replaceChildren(alert('error', text(wrong)));
    ui.hideModal();
    await done();
  };
  dialog(
    _('Leave a coordinator'),
    [
      el('p', {}, one.name),
      el('p', {}, _('Its sessions end at once, each with a last receipt, and it can order nothing here any more.')),
      el('p', {}, forget.node, ' ', el('label', { for: 'weir-forget' }, _('Forget the brokers, too'))),
      trouble,
    ],
    button(_('Leave'), 'negative', end, { id: 'weir-end' }),
  );
}

// ── The code ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function form(sections: Sections, done: () => Promise<void>): HTMLElement {
  const used = sectionsOf('coordinator', sections).map(({ name }) => name);
  const free = ['coordinator', ...Array.from({ length: 8 }, (_none, i) => `coordinator${i + 2}`)].find((name) => !used.includes(name));
  if (free === undefined) return el('p', {}, _('There is no room for one more.'));
  const fieldsOf = (kind: 'coordinator' | 'broker', names: readonly string[], name: string): Readonly<Record<string, Field>> =>
    Object.fromEntries(names.map((each) => [each, option.fieldOf(kind, each, sections, name, each === 'claim' || each === 'host')]));
  const code = fieldsOf('coordinator', ['claim', 'root'], free);
  const broker = fieldsOf('broker', ['host', 'port', 'version', 'user', 'password', 'tls', 'pin', 'authority'], 'broker');
  const says = el('div', { 'aria-live': 'assertive' });
  const act = button(
    _('Enrol'),
    'positive',
    async () => {
      says.replaceChildren();
      const [mine, theirs] = [readAll(code), readAll(broker)];
      if (mine === null || theirs === null) return attend(node);
      const edits: readonly Edit[] = [
        { section: free, type: 'coordinator', options: new Map(Object.entries(mine)) },
        { section: 'broker', type: 'broker', options: new Map(Object.entries(theirs)) },
      ];
      const faults = option.faultsOf(sections, edits);
      const wrong = faults.length > 0 ? faults : [await save(sections, edits)].flatMap((fault) => fault ?? []);
      if (wrong.length > 0) says.replaceChildren(...wrong.map((fault) => alert('error', text(fault))));
      else await done();
    },
    { id: 'weir-enrol' },
  );
  const nodes = (of: Readonly<Record<string, Field>>): readonly HTMLElement[] => Object.values(of).map(({ node }) => node);
  const node = el(
    'div',
    {},
    section(
      _('The code'),
      el('p', {}, _('A claim code is for this router; a fleet token is for all routers of an operator.')),
      ...nodes(code),
    ),
    section(_('Broker'), el('p', {}, _('Over it this router and the coordinator speak with one another.')), ...nodes(broker)),
    says,
    act,
  );
  enters(node, act);
  return node;
}

export const page: View = {
  load: config,
  render(loaded: Awaited<ReturnType<typeof config>>) {
    let sections: Sections = [];
    const [states, place] = [el('div'), el('div')];
    async function tick(): Promise<void> {
      const agent = await ask('weir', 'status');
      const those = sectionsOf('coordinator', sections);
      renew(
        states,
        ...(agent.ok || those.length === 0 ? [] : [alert('warning', text(agent.fault))]),
        ...those.map((one) =>
          section(
            one.name,
            agent.ok ? stateOf(one, agent.value) : null,
            el('p', {}, `${_('Its key')}: ${idOf(one) ?? '–'}`),
            button(_('Leave'), 'negative', () => leave(one, sections, again), { id: `weir-leave-${one.name}` }),
          ),
        ),
      );
    }
    async function show(read: typeof loaded): Promise<void> {
      if (!read.ok) return place.replaceChildren(alert('error', text(read.fault)));
      sections = read.value;
      place.replaceChildren(
        sectionsOf('coordinator', sections).length === 0
          ? form(sections, again)
          : el('details', {}, el('summary', {}, _('One more coordinator')), form(sections, again)),
      );
      await tick();
    }
    const again = async (): Promise<void> => show(await config());
    void show(loaded);
    poll.add(tick, 5);
    return el(
      'div',
      { class: 'weir' },
      style(),
      el('h2', {}, _('Coordinators')),
      el(
        'p',
        {},
        _('A coordinator brings guests and is told what they used. None can pass your limits, and you can leave it at any moment.'),
      ),
      states,
      place,
    );
  },
  handleSave: null,
  handleSaveApply: null,
  handleReset: null,
};

// All of the owner's options, but for yes and no. What may be written is decided by the agent's own rules, of each option and of all of them
// together, before anything is; this page knows where they stand.

import { text } from '../../../agent/core/result.ts';
import type { Section } from '../../../agent/core/settings.ts';
import { alert, button, el, section, style } from './element.ts';
import type { Field } from './field.ts';
import { attend, readAll } from './field.ts';
import * as option from './option.ts';
import { config, type Edit, save } from './router.ts';
import { lastTold } from './told.ts';

type Part = Readonly<{ title: string; kind: option.Kind; names: readonly string[]; isRare?: true; more?: () => Node }>;

const parts = (): readonly Part[] => [
  { title: _('Month'), kind: 'limits', names: ['monthly_cap', 'reset_day', 'household'] },
  { title: _('All guests together'), kind: 'limits', names: ['rate_down', 'rate_up', 'sessions'] },
  { title: _('One session at most'), kind: 'limits', names: ['session_rate_down', 'session_rate_up', 'session_quota', 'session_seconds'] },
  { title: _('Your household first'), kind: 'limits', names: ['home_first', 'link_down', 'link_up', 'headroom'] },
  { title: _('Hours'), kind: 'limits', names: ['schedule', 'when_unknown'] },
  { title: _('Where guests may go'), kind: 'limits', names: ['block_smtp', 'deny', 'allow'] },
  { title: _('Uplink and tunnel'), kind: 'tunnel', names: ['uplink', 'endpoint', 'port', 'mtu', 'pool4', 'pool6'] },
  {
    title: _('Protection of small routers'),
    kind: 'limits',
    names: ['flows_session', 'flows_all', 'connections_session', 'connections_all', 'lower_effort'],
    isRare: true,
  },
  { title: _('Name at the broker'), kind: 'node', names: option.namesOf('node'), isRare: true },
  { title: _('Broker'), kind: 'broker', names: option.namesOf('broker') },
  { title: _('Coordinator'), kind: 'coordinator', names: option.namesOf('coordinator') },
  {
    title: _('What this router tells of itself'),
    kind: 'telemetry',
    names: option.namesOf('telemetry'),
    more: () => button(_('Show what was sent last'), 'neutral', lastTold, { id: 'weir-told' }),
  },
  { title: _('Probe'), kind: 'probe', names: option.namesOf('probe'), isRare: true },
];
const several: readonly option.Kind[] = ['broker', 'coordinator', 'probe'];

type Form = Readonly<{ node: HTMLElement; section: string; kind: option.Kind; fields: Readonly<Record<string, Field>> }>;

function formOf({ title, kind, names, isRare, more }: Part, sections: readonly Section[], name: string): Form {
  const fields = Object.fromEntries(names.map((each) => [each, option.fieldOf(kind, each, sections, name)]));
  const nodes = [...Object.values(fields).map(({ node }) => node), more?.() ?? null];
  const shown = name === kind ? title : `${title}: ${name}`;
  const node = isRare
    ? el('div', { class: 'cbi-section' }, el('details', {}, el('summary', {}, el('b', {}, shown)), ...nodes))
    : section(shown, ...nodes);
  return { node, section: name, kind, fields };
}

function pageOf(sections: readonly Section[], again: () => Promise<void>): HTMLElement {
  const forms: Form[] = [];
  const removed = new Map<string, option.Kind>();
  const says = el('div', { 'aria-live': 'assertive', id: 'weir-says' });

  const place = (part: Part, name: string): HTMLElement => {
    const form = formOf(part, sections, name);
    forms.push(form);
    if (several.includes(part.kind) && name !== part.kind)
      form.node.append(
        button(_('Remove'), 'negative', () => {
          forms.splice(forms.indexOf(form), 1);
          removed.set(name, part.kind);
          form.node.remove();
        }),
      );
    return form.node;
  };
  const placeAll = (part: Part): readonly HTMLElement[] => {
    if (!several.includes(part.kind)) return [place(part, part.kind)];
    const others = sections.filter(({ type, name }) => type === part.kind && name !== part.kind).map(({ name }) => name);
    const group = el('div', {}, ...[part.kind, ...others].map((name) => place(part, name)));
    const add = (): void => {
      const used = [...forms.map((f) => f.section), ...sections.map(({ name }) => name)];
      const free = Array.from({ length: 9 }, (_none, i) => `${part.kind}${i + 2}`).find((name) => !used.includes(name));
      if (free !== undefined) group.append(place(part, free));
    };
    return [group, el('p', {}, button(`${_('One more')}: ${part.title}`, 'neutral', add))];
  };

  async function write(): Promise<void> {
    says.replaceChildren();
    const read = forms.map(({ section: name, kind, fields }) => ({ name, kind, values: readAll(fields) }));
    const edits: Edit[] = [...removed].map(([name, type]) => ({ section: name, type, options: null }));
    for (const { name, kind, values } of read) {
      if (values === null) {
        says.replaceChildren(alert('error', _('Nothing was saved: see the fields that say what they expect.')));
        return attend(all);
      }
      edits.push({ section: name, type: kind, options: new Map(Object.entries(values)) });
    }
    const faults = option.faultsOf(sections, edits);
    if (faults.length > 0) return says.replaceChildren(...faults.map((fault) => alert('error', text(fault))));
    const wrong = await save(sections, edits);
    if (wrong !== null) return says.replaceChildren(alert('error', text(wrong)));
    await again();
  }
  const all = el(
    'div',
    {},
    ...parts().flatMap(placeAll),
    says,
    el('div', { class: 'cbi-page-actions' }, button(_('Save'), 'positive', write, { id: 'weir-save' })),
  );
  return all;
}

export const page: View = {
  load: config,
  render(loaded: Awaited<ReturnType<typeof config>>) {
    const place = el('div');
    const show = (read: typeof loaded, ...before: readonly Node[]): void =>
      place.replaceChildren(...before, read.ok ? pageOf(read.value, again) : alert('error', text(read.fault)));
    async function again(): Promise<void> {
      const saved = alert('success', _('Saved. It counts from now on.'));
      show(await config(), saved);
      saved.scrollIntoView();
    }
    show(loaded);
    return el('div', { class: 'weir' }, style(), el('h2', {}, _('Settings of Weir')), place);
  },
  handleSave: null,
  handleSaveApply: null,
  handleReset: null,
};

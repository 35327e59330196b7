// What rpcd, netifd and procd do, row by row: a call, the status it gets, the data. Each story has a config of its own name, so all of them
// can be told on one router. Data only: fakes.test.ts tells them to the fakes, and to the real daemons where those are.

import type { Fields } from '../fakes/plain.ts';
import { configs as router } from '../fakes/router.ts';

export type Step =
  /** `get` is the whole answer, null for none at all; `some` a part of it, `has` names in it. `keep` notes its session under that name, `$name` uses it. */
  | Readonly<{ call: string; with?: Fields; status?: number; get?: Fields | null; some?: Fields; has?: readonly string[]; keep?: string }>
  /** The same, over and over until it is so. */
  | Readonly<{ until: string; with?: Fields; status?: number; some?: Fields }>
  /** What stands in /etc/config. */
  | Readonly<{ file: string; is: string }>
  /** A device appears or disappears. */
  | Readonly<{ device: string; there: boolean }>
  /** What was told since the last such row. netifd repeats itself, some of it later: the same thing twice in a row counts once. */
  | Readonly<{ told: 'network.interface' | 'interfaces' | 'service'; is: readonly string[] }>;
export type Story = Readonly<{ name: string; steps: readonly Step[] }>;

const plain = `
config a 'one'
	option x '1'
	list l 'p'
	list l 'q'

config b
	option y '2'

config b
	option y 'three words 3'

`;

const one: Fields = { '.anonymous': false, '.type': 'a', '.name': 'one', x: '1', l: ['p', 'q'] };
const b0: Fields = { '.anonymous': true, '.type': 'b', '.name': 'cfg02b607', y: '2' };
const b1: Fields = { '.anonymous': true, '.type': 'b', '.name': 'cfg03b607', y: 'three words 3' };
const at = (index: number, { '.anonymous': anonymous, '.type': type, '.name': name, ...options }: Fields): Fields =>
  ({ '.anonymous': anonymous, '.type': type, '.name': name, '.index': index, ...options }) as Fields;

const call = (call: string, rest: Omit<Extract<Step, { call: string }>, 'call'> = {}): Step => ({ call, ...rest });
const ok = (method: string, args: Fields): Step => call(method, { with: args, get: null });
const refused = (method: string, status: number, args?: Fields): Step =>
  call(method, args === undefined ? { status, get: null } : { with: args, status, get: null });
const changes = (config: string, list: Fields[string], session: Fields = {}): Step =>
  call('uci changes', { with: { config, ...session }, get: { changes: list } });

const S: Fields = { ubus_rpc_session: '$S' };
const T: Fields = { ubus_rpc_session: '$T' };
const nobody: Fields = { ubus_rpc_session: '00000000000000000000000000000000' };
const session = (name: string, ...configs: string[]): Step[] => [
  call('session create', { with: { timeout: 60 }, some: { timeout: 60, expires: 60n, acls: {}, data: {} }, keep: name }),
  ok('session grant', {
    ubus_rpc_session: `$${name}`,
    scope: 'uci',
    objects: configs.flatMap((c) => [
      [c, 'read'],
      [c, 'write'],
    ]),
  }),
];

const uciStories: Story[] = [
  {
    name: 'uci get',
    steps: [
      call('uci get', { with: { config: 'get' }, get: { values: { one: at(0, one), cfg02b607: at(1, b0), cfg03b607: at(2, b1) } } }),
      call('uci get', { with: { config: 'get', section: 'one' }, get: { values: one } }),
      call('uci get', { with: { config: 'get', section: '@b[0]' }, get: { values: b0 } }),
      call('uci get', { with: { config: 'get', section: '@b[-1]' }, get: { values: b1 } }),
      call('uci get', { with: { config: 'get', section: '@[0]' }, get: { values: one } }),
      call('uci get', { with: { config: 'get', section: 'one', option: 'l' }, get: { value: ['p', 'q'] } }),
      call('uci get', { with: { config: 'get', section: 'one', option: 'x' }, get: { value: '1' } }),
      call('uci get', { with: { config: 'get', type: 'b' }, get: { values: { cfg02b607: at(1, b0), cfg03b607: at(2, b1) } } }),
      call('uci get', { with: { config: 'get', match: { y: 'words' } }, get: { values: { cfg03b607: at(2, b1) } } }),
      call('uci get', { with: { config: 'get', match: { y: 3 } }, get: { values: { cfg03b607: at(2, b1) } } }),
      call('uci get', { with: { config: 'get', match: { l: 'q', nope: '1' } }, get: { values: { one: at(0, one) } } }),
      call('uci get', { with: { config: 'get', match: { nope: '1' } }, get: { values: {} } }),
      ok('uci get', { config: 'get', section: 'nope' }),
      ok('uci get', { config: 'get', section: 'one', option: 'nope' }),
      ok('uci get', { config: 'get', section: '@b[9]' }),
      ok('uci get', { config: 'get', section: '@b' }),
      refused('uci get', 4, { config: 'nope' }),
      refused('uci get', 2),
      refused('uci get', 2, { config: 7 }),
      refused('uci get', 6, { config: 'get', ...nobody }),
      refused('uci get', 6, { config: 'get', ubus_rpc_session: 'nope' }),
      refused('uci nope', 3),
      refused('uci get', 9, { config: 'broken' }),
    ],
  },
  {
    name: 'uci add',
    steps: [
      refused('uci add', 2, { config: 'add' }),
      refused('uci add', 2, { config: 'add', type: 'b', name: 'n-1' }),
      refused('uci add', 2, { config: 'add', type: 'b c', name: 'n1' }),
      refused('uci add', 2, { config: 'add', type: 'b-c', name: 'n1', values: { 'o-p': '1' } }),
      refused('uci add', 2, { config: 'add', type: 'b', name: 'n1', values: { o: ['1', 1.5] } }),
      refused('uci add', 4, { config: 'nope', type: 'b' }),
      ok('uci get', { config: 'add', section: 'n1' }),
      changes('add', []),
      call('uci add', { with: { config: 'add', type: 'b' }, get: { section: 'cfg04b607' } }),
      call('uci add', {
        with: { config: 'add', type: 'b', values: { y: 7, z: true, w: [1, 'a', false], e: '' } },
        get: { section: 'cfg05b607' },
      }),
      call('uci add', { with: { config: 'add', type: 'b-c', name: 'one', values: { l: ['r'], x: '2' } }, get: { section: 'one' } }),
      call('uci get', { with: { config: 'add', section: 'one' }, get: { values: { ...one, '.type': 'b-c', x: '2', l: ['p', 'q', 'r'] } } }),
      call('uci add', { with: { config: 'add', type: 'd', name: 'n2' }, get: { section: 'n2' } }),
      changes('add', [
        ['add', 'cfg04b607', 'b'],
        ['add', 'cfg05b607', 'b'],
        ['set', 'cfg05b607', 'y', '7'],
        ['set', 'cfg05b607', 'z', '1'],
        ['list-add', 'cfg05b607', 'w', '1'],
        ['list-add', 'cfg05b607', 'w', 'a'],
        ['list-add', 'cfg05b607', 'w', '0'],
        ['set', 'one', 'b-c'],
        ['list-add', 'one', 'l', 'r'],
        ['set', 'one', 'x', '2'],
        ['set', 'n2', 'd'],
      ]),
      { file: 'add', is: plain },
      ok('uci commit', { config: 'add' }),
      changes('add', []),
      {
        file: 'add',
        is: `
config b-c 'one'
	option x '2'
	list l 'p'
	list l 'q'
	list l 'r'

config b
	option y '2'

config b
	option y 'three words 3'

config b

config b
	option y '7'
	option z '1'
	list w '1'
	list w 'a'
	list w '0'

config d 'n2'

`,
      },
    ],
  },
  {
    name: 'uci set',
    steps: [
      refused('uci set', 2, { config: 'set', section: 'one' }),
      refused('uci set', 2, { config: 'set', values: { x: '2' } }),
      refused('uci set', 2, { config: 'set', section: 'o-e', values: { x: '2' } }),
      refused('uci set', 4, { config: 'set', section: 'one', values: {} }),
      refused('uci set', 4, { config: 'set', section: 'nope', values: { x: '2' } }),
      refused('uci set', 4, { config: 'set', type: 'nope', values: { x: '2' } }),
      refused('uci set', 4, { config: 'nope', section: 'one', values: { x: '2' } }),
      refused('uci set', 2, { config: 'set', section: 'one', values: { k: 'v', l: [] } }),
      refused('uci set', 2, { config: 'set', section: 'one', values: { k: 'v', x: 1.5 } }),
      refused('uci set', 2, { config: 'set', section: 'one', values: { k: 'v', x: null } }),
      refused('uci set', 2, { config: 'set', section: 'one', values: { k: 'v', x: {} } }),
      refused('uci set', 2, { config: 'set', section: 'one', values: { 'k-k': 'v' } }),
      changes('set', []),
      ok('uci set', { config: 'set', section: 'one', values: { l: ['z'], x: '', none: '', k: "it's\n'new'" } }),
      ok('uci set', { config: 'set', section: 'one', values: { k: "it's\n'new'" } }),
      ok('uci set', { config: 'set', section: '@b[0]', values: { y: ['1', 1.5] } }),
      ok('uci set', { config: 'set', type: 'b', match: { y: '1' }, values: { y: 'n' } }),
      ok('uci set', { config: 'set', section: '@b[1]', values: { minus: -1, big: 1n << 53n, bigMinus: -1n, no: false, y: '2' } }),
      changes('set', [
        ['remove', 'one', 'l'],
        ['list-add', 'one', 'l', 'z'],
        ['remove', 'one', 'x'],
        ['set', 'one', 'k', "it's\n'new'"],
        ['remove', 'cfg02b607', 'y'],
        ['list-add', 'cfg02b607', 'y', '1'],
        ['remove', 'cfg02b607', 'y'],
        ['set', 'cfg02b607', 'y', 'n'],
        ['set', 'cfg03b607', 'minus', '4294967295'],
        ['set', 'cfg03b607', 'big', '9007199254740992'],
        ['set', 'cfg03b607', 'bigMinus', '18446744073709551615'],
        ['set', 'cfg03b607', 'no', '0'],
        ['set', 'cfg03b607', 'y', '2'],
      ]),
      ok('uci commit', { config: 'set' }),
      {
        file: 'set',
        is: `
config a 'one'
	list l 'z'
	option k 'it'\\''s
'\\''new'\\'''

config b
	option y 'n'

config b
	option y '2'
	option minus '4294967295'
	option big '9007199254740992'
	option bigMinus '18446744073709551615'
	option no '0'

`,
      },
      call('uci get', { with: { config: 'set', section: 'one', option: 'k' }, get: { value: "it's\n'new'" } }),
    ],
  },
  {
    name: 'uci delete',
    steps: [
      refused('uci delete', 2, { config: 'delete' }),
      refused('uci delete', 2, { config: 'delete', section: 'o-e' }),
      refused('uci delete', 2, { config: 'delete', type: 'b b' }),
      refused('uci delete', 4, { config: 'nope', section: 'one' }),
      refused('uci delete', 4, { config: 'delete', section: 'nope' }),
      refused('uci delete', 4, { config: 'delete', section: 'one', option: 'nope' }),
      refused('uci delete', 4, { config: 'delete', section: 'one', options: ['nope'] }),
      refused('uci delete', 4, { config: 'delete', type: 'nope' }),
      ok('uci delete', { config: 'delete', section: 'one', options: ['x', 'nope'] }),
      ok('uci delete', { config: 'delete', section: 'one', option: 'l' }),
      ok('uci delete', { config: 'delete', type: 'b', match: { y: '2' } }),
      // `options` of the wrong type is no `options`, and without one the section goes.
      ok('uci delete', { config: 'delete', section: 'one', options: 'x' }),
      changes('delete', [
        ['remove', 'one', 'x'],
        ['remove', 'one', 'l'],
        ['remove', 'cfg02b607'],
        ['remove', 'one'],
      ]),
      ok('uci commit', { config: 'delete' }),
      { file: 'delete', is: "\nconfig b\n\toption y 'three words 3'\n\n" },
    ],
  },
  {
    name: 'uci replace: delete and add of one name, in one commit',
    steps: [
      ok('uci delete', { config: 'replace', section: 'one' }),
      call('uci add', { with: { config: 'replace', type: 'c', name: 'one', values: { z: 'only' } }, get: { section: 'one' } }),
      ok('uci commit', { config: 'replace' }),
      call('uci get', {
        with: { config: 'replace', section: 'one' },
        get: { values: { '.anonymous': false, '.type': 'c', '.name': 'one', z: 'only' } },
      }),
    ],
  },
  {
    name: 'uci rename and order',
    steps: [
      refused('uci rename', 2, { config: 'rename', section: 'one', name: 'u-no' }),
      refused('uci rename', 2, { config: 'rename', section: 'one' }),
      ok('uci rename', { config: 'rename', section: 'nope', name: 'uno' }),
      ok('uci rename', { config: 'rename', section: 'one', option: 'nope', name: 'uno' }),
      changes('rename', []),
      ok('uci rename', { config: 'rename', section: 'one', name: 'uno' }),
      ok('uci rename', { config: 'rename', section: 'uno', option: 'x', name: 'ex' }),
      ok('uci rename', { config: 'rename', section: 'cfg02b607', name: 'due' }),
      refused('uci order', 2, { config: 'rename' }),
      refused('uci order', 4, { config: 'rename', sections: ['due', 'nope'] }),
      refused('uci order', 2, { config: 'rename', sections: ['due', 1] }),
      ok('uci order', { config: 'rename', sections: ['due', 'uno'] }),
      changes('rename', [
        ['rename', 'one', 'uno'],
        ['rename', 'uno', 'x', 'ex'],
        ['rename', 'cfg02b607', 'due'],
        ['order', 'due', 0],
      ]),
      ok('uci commit', { config: 'rename' }),
      {
        file: 'rename',
        is: "\nconfig b 'due'\n\toption y '2'\n\nconfig a 'uno'\n\toption ex '1'\n\tlist l 'p'\n\tlist l 'q'\n\nconfig b\n\toption y 'three words 3'\n\n",
      },
    ],
  },
  {
    name: 'uci revert',
    steps: [
      ok('uci set', { config: 'revert', section: 'one', values: { x: '2' } }),
      call('uci changes', { some: { changes: { revert: [['set', 'one', 'x', '2']] } } }),
      ok('uci revert', { config: 'revert' }),
      changes('revert', []),
      call('uci changes', { get: { changes: {} } }),
      refused('uci revert', 4, { config: 'nope' }),
      refused('uci revert', 2),
      refused('uci changes', 4, { config: 'nope' }),
      { file: 'revert', is: plain },
    ],
  },
  {
    name: 'uci commit: a file untouched is not rewritten, procd is told all the same',
    steps: [
      { told: 'service', is: [] },
      ok('uci commit', { config: 'untouched' }),
      { file: 'untouched', is: '# mine\nconfig a one\n' },
      refused('uci commit', 4, { config: 'nope' }),
      refused('uci commit', 2),
      { told: 'service', is: ['event.trigger config.change', 'config.change untouched'] },
    ],
  },
  {
    name: 'uci sessions: everybody has a delta of their own, and a commit takes nobody else along',
    steps: [
      ...session('S', 'shared', 'other'),
      ...session('T', 'shared'),
      ok('uci set', { config: 'shared', section: 'one', values: { mine: 'cli' } }),
      ok('uci set', { config: 'shared', section: 'one', values: { mine: 'S' }, ...S }),
      ok('uci set', { config: 'shared', section: 'one', values: { x: 'T' }, ...T }),
      call('uci get', { with: { config: 'shared', section: 'one', option: 'mine' }, get: { value: 'cli' } }),
      call('uci get', { with: { config: 'shared', section: 'one', option: 'mine', ...S }, get: { value: 'S' } }),
      ok('uci get', { config: 'shared', section: 'one', option: 'mine', ...T }),
      refused('uci set', 6, { config: 'other', section: 'one', values: { x: 'T' }, ...T }),
      refused('uci get', 6, { config: 'other', ...T }),
      refused('uci commit', 6, { config: 'other', ...T }),
      refused('uci set', 6, { config: 'nope', section: 'one', values: { x: 'T' }, ...T }),
      ok('uci commit', { config: 'shared', ...S }),
      changes('shared', [], S),
      changes('shared', [['set', 'one', 'x', 'T']], T),
      changes('shared', [['set', 'one', 'mine', 'cli']]),
      call('uci changes', { with: T, get: { changes: { shared: [['set', 'one', 'x', 'T']] } } }),
      call('uci get', { with: { config: 'shared', section: 'one', ...T }, get: { values: { ...one, x: 'T', mine: 'S' } } }),
      ok('uci revert', { config: 'shared' }),
      ok('session destroy', T),
      refused('uci changes', 6, { config: 'shared', ...T }),
      call('uci changes', { with: T, get: { changes: {} } }),
      ok('session destroy', S),
    ],
  },
  {
    name: 'uci apply without rollback',
    steps: [
      refused('uci apply', 2, { rollback: false }),
      refused('uci apply', 5, nobody),
      ...session('S', 'apply'),
      refused('uci apply', 5, S),
      ok('uci set', { config: 'apply', section: 'one', values: { x: '2' }, ...S }),
      ok('session revoke', { ...S, scope: 'uci', objects: [['apply', 'write']] }),
      refused('uci apply', 6, S),
      ok('session grant', { ...S, scope: 'uci', objects: [['*', 'write']] }),
      ok('uci apply', S),
      changes('apply', [], S),
      call('uci get', { with: { config: 'apply', section: 'one', option: 'x' }, get: { value: '2' } }),
      refused('uci confirm', 2),
      refused('uci confirm', 5, S),
      refused('uci rollback', 5),
      ok('session destroy', S),
    ],
  },
  {
    name: 'uci apply with rollback: while it is pending nobody commits or reverts, everybody stages',
    steps: [
      ...session('S', 'pend'),
      ...session('T', 'pend', 'pend2'),
      ok('uci set', { config: 'pend', section: 'one', values: { x: '2' }, ...S }),
      ok('uci apply', { rollback: true, timeout: 60, ...S }),
      call('uci get', { with: { config: 'pend', section: 'one', option: 'x' }, get: { value: '2' } }),
      ok('uci set', { config: 'pend2', section: 'one', values: { x: '3' }, ...T }),
      refused('uci commit', 6, { config: 'pend2', ...T }),
      refused('uci commit', 6, { config: 'pend2' }),
      refused('uci commit', 6),
      refused('uci revert', 6, { config: 'pend2', ...T }),
      refused('uci apply', 6, { rollback: true, ...T }),
      refused('uci confirm', 6, T),
      refused('uci rollback', 6, T),
      refused('uci rollback', 2),
      changes('pend2', [['set', 'one', 'x', '3']], T),
      ok('uci confirm', S),
      refused('uci confirm', 5, S),
      ok('uci commit', { config: 'pend2', ...T }),
      call('uci get', { with: { config: 'pend2', section: 'one', option: 'x' }, get: { value: '3' } }),
      ok('session destroy', S),
      ok('session destroy', T),
    ],
  },
  {
    name: 'uci rollback: the file and the staged change are back, by hand and by time',
    steps: [
      ...session('S', 'back'),
      ok('uci set', { config: 'back', section: 'one', values: { x: '2' }, ...S }),
      ok('uci apply', { rollback: true, ...S }),
      { told: 'service', is: ['event.trigger config.change', 'config.change back'] },
      ok('uci rollback', S),
      { told: 'service', is: ['event.trigger config.change', 'config.change back'] },
      { file: 'back', is: plain },
      changes('back', [['set', 'one', 'x', '2']], S),
      ok('uci apply', { rollback: true, timeout: 1, ...S }),
      call('uci get', { with: { config: 'back', section: 'one', option: 'x' }, get: { value: '2' } }),
      { until: 'uci get', with: { config: 'back', section: 'one', option: 'x' }, some: { value: '1' } },
      changes('back', [['set', 'one', 'x', '2']], S),
      ok('uci commit', { config: 'back', ...S }),
      call('uci get', { with: { config: 'back', section: 'one', option: 'x' }, get: { value: '2' } }),
      ok('session destroy', S),
    ],
  },
  {
    name: 'uci rollback after the session is gone: the file is back, the staged change is not',
    steps: [
      ...session('S', 'lost'),
      ok('uci set', { config: 'lost', section: 'one', values: { x: '2' }, ...S }),
      ok('uci apply', { rollback: true, timeout: 1, ...S }),
      ok('session destroy', S),
      refused('uci commit', 6, { config: 'lost' }),
      { until: 'uci commit', with: { config: 'lost' }, status: 0 },
      { file: 'lost', is: plain },
    ],
  },
];

const sessionStories: Story[] = [
  {
    name: 'session',
    steps: [
      call('session create', { some: { timeout: 300, expires: 300n, acls: {}, data: {} }, keep: 'S' }),
      call('session list', { with: S, some: { ubus_rpc_session: '$S', timeout: 300, acls: {} } }),
      call('session list', { with: nobody, get: { ...nobody, timeout: 0, expires: 0n, acls: {}, data: {} } }),
      refused('session list', 4, { ubus_rpc_session: 'nope' }),
      refused('session grant', 2),
      refused('session grant', 4, { ubus_rpc_session: 'nope' }),
      refused('session grant', 2, S),
      ok('session grant', {
        ...S,
        scope: 'uci',
        objects: [['b*', 'read'], ['b*', 'write'], ['b', 'write'], ['b', 'read'], ['a', 'read'], ['a', 'read'], ['one'], 'x'],
      }),
      ok('session grant', { ...S, objects: [['network', 're?oad']] }),
      call('session list', {
        with: S,
        some: { acls: { ubus: { network: ['re?oad'] }, uci: { a: ['read'], 'b*': ['read', 'write'], b: ['write', 'read'] } } },
      }),
      call('session access', { with: { ...S, scope: 'uci', object: 'bc', function: 'read' }, get: { access: true } }),
      call('session access', { with: { ...S, scope: 'uci', object: 'c', function: 'read' }, get: { access: false } }),
      call('session access', { with: { ...S, object: 'network', function: 'reload' }, get: { access: true } }),
      ok('session revoke', { ...S, scope: 'uci', objects: [['b*', 'read']] }),
      call('session access', { with: { ...S, scope: 'uci', object: 'bc', function: 'read' }, get: { access: false } }),
      ok('session revoke', { ...S, scope: 'uci' }),
      call('session list', { with: S, some: { acls: { ubus: { network: ['re?oad'] } } } }),
      refused('session access', 2),
      refused('session destroy', 2),
      refused('session destroy', 6, nobody),
      refused('session destroy', 4, { ubus_rpc_session: 'nope' }),
      ok('session destroy', S),
      refused('session destroy', 4, S),
    ],
  },
  {
    name: 'session: it ends by itself, and its staged changes with it',
    steps: [
      call('session create', { with: { timeout: 1 }, some: { timeout: 1 }, keep: 'S' }),
      ok('session grant', { ...S, scope: 'uci', objects: [['expire', 'write']] }),
      ok('uci set', { config: 'expire', section: 'one', values: { x: '2' }, ...S }),
      { until: 'uci changes', with: { config: 'expire', ...nobody }, status: 6 },
    ],
  },
];

const down: Fields = { up: false, pending: false, dynamic: false, proto: 'static', device: 'weir0', data: {} };
const tunnel: Fields = { type: 'interface', name: 'weir', values: { proto: 'static', device: 'weir0', ipaddr: ['10.77.0.1/24'] } };
const told = (is: readonly string[], interfaces: readonly string[]): Step[] => [
  { told: 'network.interface', is },
  { told: 'interfaces', is: interfaces },
];

const networkStories: Story[] = [
  {
    name: 'network: refusals',
    steps: [
      refused('network.interface status', 2),
      refused('network.interface status', 4, { interface: 'nope' }),
      refused('network.interface.nope status', 4),
      refused('network.interface.lan nope', 3),
      refused('network.device status', 2, { name: 'nope' }),
      refused('network.interface.lan notify_proto', 8),
    ],
  },
  {
    name: 'network: what a static interface shows',
    steps: [
      call('network.interface.wan status', {
        some: {
          up: true,
          pending: false,
          available: true,
          autostart: true,
          dynamic: false,
          l3_device: 'eth1',
          proto: 'static',
          device: 'eth1',
          updated: ['addresses', 'routes'],
          metric: 0,
          dns_metric: 0,
          delegation: true,
          'ipv4-address': [{ address: '203.0.113.2', mask: 24 }],
          'ipv6-address': [],
          'ipv6-prefix': [],
          'ipv6-prefix-assignment': [],
          route: [{ target: '0.0.0.0', mask: 0, nexthop: '203.0.113.1', source: '0.0.0.0/0' }],
          'dns-server': ['203.0.113.1'],
          'dns-search': [],
          neighbors: [],
          inactive: { 'ipv4-address': [], 'ipv6-address': [], route: [], 'dns-server': [], 'dns-search': [], neighbors: [] },
          data: {},
        },
      }),
      call('network.interface status', {
        with: { interface: 'lan' },
        some: { up: true, l3_device: 'eth0', 'ipv4-address': [{ address: '192.168.1.1', mask: 24 }] },
      }),
      call('network.device status', {
        with: { name: 'eth1' },
        some: { external: false, present: true, type: 'Network device', up: true, carrier: true, mtu: 1500 },
      }),
    ],
  },
  {
    name: 'network: a section of ours, its device, its end',
    steps: [
      ...told([], []),
      call('uci add', { with: { config: 'network', ...tunnel }, get: { section: 'weir' } }),
      refused('network.interface.weir status', 4),
      ok('uci commit', { config: 'network' }),
      {
        until: 'network.interface.weir status',
        status: 0,
        some: { ...down, available: false, autostart: true, errors: [{ subsystem: 'interface', code: 'NO_DEVICE' }] },
      },
      call('network.device status', { with: { name: 'weir0' }, get: { external: false, present: false, type: 'Network device' } }),
      { device: 'weir0', there: true },
      {
        until: 'network.interface.weir status',
        some: { up: true, l3_device: 'weir0', 'ipv4-address': [{ address: '10.77.0.1', mask: 24 }], updated: ['addresses'] },
      },
      ...told(['ifup weir'], ['interface.update weir addresses']),

      // Nothing changed, or already up: nothing happens.
      ok('network reload', {}),
      ok('network.interface.weir up', {}),
      ok('network.interface.weir renew', {}),
      call('network.interface.weir status', { some: { up: true } }),
      ...told([], []),

      // Taken down by hand it stays down, whatever is reloaded.
      ok('network.interface.weir down', {}),
      { until: 'network.interface.weir status', some: { ...down, available: true, autostart: false } },
      ok('network reload', {}),
      { device: 'weir0', there: false },
      { until: 'network.interface.weir status', some: { ...down, available: false, autostart: false } },
      { device: 'weir0', there: true },
      { until: 'network.interface.weir status', some: { ...down, available: true, autostart: false } },
      ...told(['ifdown weir'], ['interface.down weir']),
      ok('network.interface up', { interface: 'weir' }),
      { until: 'network.interface.weir status', some: { up: true } },
      ...told(['ifup weir'], ['interface.update weir addresses']),

      // The device goes and comes.
      { device: 'weir0', there: false },
      {
        until: 'network.interface.weir status',
        some: { ...down, available: false, autostart: true, errors: [{ subsystem: 'interface', code: 'NO_DEVICE' }] },
      },
      { device: 'weir0', there: true },
      { until: 'network.interface.weir status', some: { up: true } },
      ...told(['ifdown weir', 'ifup weir'], ['interface.down weir', 'interface.update weir addresses']),

      // A metric is taken over, an address is torn down and set up.
      ok('uci set', { config: 'network', section: 'weir', values: { metric: '5' } }),
      ok('uci commit', { config: 'network' }),
      { until: 'network.interface.weir status', some: { up: true, metric: 5 } },
      ...told([], []),
      ok('uci set', { config: 'network', section: 'weir', values: { ipaddr: ['10.78.0.1/24'] } }),
      ok('uci commit', { config: 'network' }),
      { until: 'network.interface.weir status', some: { up: true, 'ipv4-address': [{ address: '10.78.0.1', mask: 24 }] } },
      ...told(['ifdown weir', 'ifup weir'], ['interface.down weir', 'interface.update weir addresses']),
      ok('network.interface.weir restart', {}),
      ...told(['ifdown weir', 'ifup weir'], ['interface.down weir', 'interface.update weir addresses']),
      ok('network.interface.weir set_data', { zone: 'weir', x: { a: 1 } }),
      call('network.interface.weir status', { some: { up: true, updated: ['data'], data: { x: { a: 1 }, zone: 'weir' } } }),
      ...told([], ['interface.update weir data']),

      ok('uci delete', { config: 'network', section: 'weir' }),
      ok('uci commit', { config: 'network' }),
      { until: 'network.interface.weir status', status: 4 },
      ...told(['ifdown weir'], ['interface.down weir']),
      { device: 'weir0', there: false },
      { file: 'network', is: router['network'] ?? '' },
    ],
  },
];

const procdStories: Story[] = [
  {
    name: 'service data, as firewall4 reads it',
    steps: [
      refused('service set', 2),
      ok('service set', { name: 'weirtest', data: { firewall: [{ type: 'rule', target: 'ACCEPT' }], mdns: { x: 'y' } } }),
      call('service get_data', {
        with: { type: 'firewall' },
        get: { weirtest: { '*': { firewall: [{ type: 'rule', target: 'ACCEPT' }] } } },
      }),
      call('service list', {
        with: { name: 'weirtest' },
        get: { weirtest: { data: { firewall: [{ type: 'rule', target: 'ACCEPT' }], mdns: { x: 'y' } } } },
      }),
      ok('service set_data', { name: 'weirtest', data: { mdns: {} } }),
      call('service get_data', { with: { name: 'weirtest' }, get: { weirtest: { '*': { mdns: {} } } } }),
      call('service get_data', { with: { type: 'firewall' }, get: {} }),
      refused('service set_data', 4, { name: 'nope', data: {} }),
      refused('service set_data', 4, { name: 'weirtest', instance: 'nope', data: {} }),
      refused('service set_data', 2, { name: 'weirtest' }),
      ok('service delete', { name: 'weirtest' }),
      refused('service delete', 4, { name: 'weirtest' }),
      refused('service delete', 4),
      call('service list', { get: { firewall: {}, network: {} } }),
      { told: 'service', is: ['service.start weirtest', 'service.stop weirtest'] },
    ],
  },
  {
    name: 'service event',
    steps: [
      refused('service event', 2, { type: 'x' }),
      refused('service event', 2, { data: {} }),
      ok('service event', { type: 'x', data: {} }),
      ok('service event', { type: 'config.change', data: { package: 'y' } }),
      { told: 'service', is: ['event.trigger x', 'event.trigger config.change', 'config.change y'] },
    ],
  },
  {
    name: 'system',
    steps: [
      call('system board', { has: ['kernel', 'hostname', 'system', 'release'] }),
      call('system info', { has: ['localtime', 'uptime', 'load', 'memory', 'root', 'tmp', 'swap'] }),
      refused('system nope', 3),
    ],
  },
];

export const stories: readonly Story[] = [...uciStories, ...sessionStories, ...networkStories, ...procdStories];

const names = [
  'get',
  'add',
  'set',
  'delete',
  'replace',
  'rename',
  'revert',
  'shared',
  'other',
  'apply',
  'pend',
  'pend2',
  'back',
  'lost',
  'expire',
];
export const configs: Readonly<Record<string, string>> = {
  ...router,
  ...Object.fromEntries(names.map((n) => [n, plain])),
  untouched: '# mine\nconfig a one\n',
  broken: "config a 'one'\n\toption x 'open\n",
};

// What a friend's configuration says of this router, from its settings and from what the enforcer finds around it.

import * as doorway from '../../../agent/core/doorway.ts';
import type { Endpoint } from '../../../agent/core/endpoint.ts';
import * as reach from '../../../agent/core/reach.ts';
import { fail, fault, ok, type Result } from '../../../agent/core/result.ts';
import * as settings from '../../../agent/core/settings.ts';
import * as door from '../../../agent/wire/door.ts';
import { ask, config } from './router.ts';

export type Router = Readonly<{ key: string; at: doorway.Choice; dns: readonly string[]; mtu: number }>;

export async function look(endpoint: Endpoint | null): Promise<Result<Router>> {
  const sections = await config();
  if (!sections.ok) return sections;
  const owner = settings.parseOwner(sections.value);
  if (!owner.ok) return { ok: false, fault: owner.faults[0] ?? fault('malformed', 'weir', 'wrong settings') };
  const facts = await ask('weir.enforcer', 'facts');
  const known = facts.ok ? door.decode(facts.value) : facts;
  if (!known.ok) return known;
  const { tunnel, limits } = owner.value;
  const { key, ways } = known.value;
  if (key === null) return fail('missing', 'key', _('The tunnel is not there yet: the overview says why'));
  const at = doorway.choose(endpoint ?? tunnel.endpoint, ways, tunnel.port);
  if (!at.ok) return at;
  return ok({ key, at: at.value, dns: doorway.servers(ways, reach.blocked(limits.deny, limits.allow)), mtu: tunnel.mtu });
}

// A broker as an owner may have set it, for tests that care for its name and its spread.

import { seconds } from '../../agent/core/brand.ts';
import type { Broker } from '../../agent/core/settings.ts';

export const brokerAt = (host: string, spread = 100): Broker => ({
  host,
  port: 8883,
  version: '5',
  user: null,
  password: null,
  tls: null,
  keepAlive: seconds(60),
  spread: seconds(spread),
});

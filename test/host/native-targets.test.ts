// CI's routers; the others are in native-targets.long.test.ts.

import { checkTargets } from './native-target.ts';

checkTargets('mipsel_24kc', 'mips_24kc', 'x86_64');

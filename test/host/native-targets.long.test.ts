import { checkTargets } from './native-target.ts';

checkTargets('arm_cortex-a7', 'aarch64_cortex-a53', 'riscv64');

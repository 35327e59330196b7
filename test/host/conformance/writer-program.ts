import { host } from '../../../agent/host/quickjs.ts';
import { writeForever } from './writer.ts';

writeForever(host, String(host.process.args[0]));

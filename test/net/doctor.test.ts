import { story } from './doctor.ts';

// One of each kind; the long form breaks everything.
story([
  'nft is not there',
  'another program has the port',
  'the ledger is damaged',
  'the uplink is down',
  'the agent has ended, and others may read its key',
]);

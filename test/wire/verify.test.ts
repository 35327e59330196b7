// `weir verify` as a person calls it, over files that are not there.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as verify from '../../agent/cli-verify.ts';
import { fail, ok } from '../../agent/core/result.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as story from './story.ts';

const session = [story.signedFirst, ...story.chain.map(({ signed, witness }) => ({ ...signed, witness }))].map(cose.encode);
const forged = session.map((bytes, i) => (i === 1 ? bytes.with(-1, bytes.at(-1) === 0 ? 1 : 0) : bytes));
const files: Readonly<Record<string, string>> = {
  grants: evidence.render([story.sign('certificate', story.certificate, 'root'), story.signedSecond].map(cose.encode)),
  session: evidence.render(session),
  forged: evidence.render(forged),
  letter: 'Dear owner,\n',
};
const keys = ['root', 'node'].map((who) => hexOf(story.keyOf(who as story.Who))).join();

async function run(...args: string[]): Promise<Readonly<{ status: number; printed: string; logged: string }>> {
  let [printed, logged] = ['', ''];
  const host: verify.Ground = {
    ...portable,
    files: {
      read: (path: string) => {
        const text = files[path];
        return text === undefined ? fail('ENOENT', path, 'no such file') : ok(new TextEncoder().encode(text));
      },
    },
    print: (text) => {
      printed += text;
    },
    log: (line) => {
      logged += `${line}\n`;
    },
  };
  return { status: await verify.run(host, 'verify', args), printed, logged };
}

const command = suite('weir verify');
const cases = [
  {
    name: 'all that there is',
    args: ['--key', keys, 'grants', 'session'],
    status: 0,
    printed: /4 of 4 receipts, countersigned up to 4\n.*\neverything holds\n$/,
    logged: /^$/,
  },
  {
    name: 'nobody knows the signer',
    args: ['session'],
    status: 1,
    printed: /^BAD message 1: protected\.4: nobody here knows .*\(stranger\)$/m,
    logged: /^$/,
  },
  {
    name: 'a forged receipt',
    args: ['--key', keys, 'grants', 'forged'],
    status: 1,
    printed: /^BAD message 4: .*\(forged\)$/m,
    logged: /^$/,
  },
  { name: 'no file', args: [], status: 2, printed: /^$/, logged: /FILE\.\.\.: has to be said/ },
  {
    name: 'a file that is not there',
    args: ['nowhere'],
    status: 2,
    printed: /^$/,
    logged: /^weir verify: nowhere: no such file \(ENOENT\)\n$/,
  },
  { name: 'a file of something else', args: ['letter'], status: 2, printed: /^$/, logged: /letter\.line 1: expected a message in hex/ },
  { name: 'a key that is none', args: ['--key', 'ab', 'session'], status: 2, printed: /^$/, logged: /--key: expected 32 bytes in hex/ },
];
for (const c of cases)
  command(c.name, async () => {
    const { status, printed, logged } = await run(...c.args);
    assert.match(printed, c.printed);
    assert.match(logged, c.logged);
    assert.is(status, c.status);
  });
command('as JSON', async () => {
  const { status, printed } = await run('--json', '--key', keys, 'grants', 'session');
  assert.is(status, 0);
  const told = JSON.parse(printed) as { messages: number; sessions: readonly { counted: { up: string } }[]; findings: readonly unknown[] };
  assert.equal([told.messages, told.sessions.length, told.findings.length], [2 + session.length, 1, 0]);
  assert.is(told.sessions[0]?.counted.up, `${story.chain.at(-1)?.value.counted.up}`);
});
command.run();

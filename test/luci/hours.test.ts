import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as hours from '../../openwrt/luci-app-weir/src/hours.ts';

const about = suite('the hours of a week');

const kept = [
  { name: 'never', in: [], want: [] },
  { name: 'an hour', in: ['wed 04:00-05:00'], want: ['wed 04:00-05:00'] },
  {
    name: 'the same on some days',
    in: ['mon-fri 22:00-24:00', 'mon-fri 00:00-06:00'],
    want: ['mon-fri 00:00-06:00', 'mon-fri 22:00-24:00'],
  },
  { name: 'over midnight is said day by day', in: ['sat 22:00-02:00'], want: ['sat 22:00-24:00', 'sun 00:00-02:00'] },
  { name: 'over the end of the week', in: ['sun 23:00-01:00'], want: ['mon 00:00-01:00', 'sun 23:00-24:00'] },
  { name: 'all of it', in: ['mon-sun 00:00-24:00'], want: ['mon-sun 00:00-24:00'] },
  { name: 'two that touch are one', in: ['tue 01:00-02:00', 'tue 02:00-03:00'], want: ['tue 01:00-03:00'] },
];
for (const { name, in: texts, want } of kept)
  about(name, () => {
    const week = hours.weekOf(texts);
    assert.ok(week);
    assert.equal(hours.textsOf(week), want);
    assert.equal(hours.weekOf(hours.textsOf(week)), week);
  });

// These stay texts.
for (const text of ['mon 22:30-23:00', 'mon 22:00-23:15', 'someday 01:00-02:00', ''])
  about(`no whole hours: ${text}`, () => assert.is(hours.weekOf([text]), null));

about.run();

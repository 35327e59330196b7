import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Section } from '../../agent/core/settings.ts';
import * as zones from '../../agent/core/zone.ts';

const hours = (h: number): number => h * 3600;
const at = (iso: string): number => Date.parse(iso) / 1000;

/** The last moment before each change, and the change. */
const cases: readonly (readonly [text: string, moment: string, want: number])[] = [
  ['UTC0', '2026-07-01T00:00:00Z', 0],
  ['GMT0', '2026-07-01T00:00:00Z', 0],
  ['JST-9', '2026-07-01T00:00:00Z', hours(9)],
  ['<+0530>-5:30', '2026-07-01T00:00:00Z', hours(5.5)],
  ['<+1245>-12:45', '2026-07-01T00:00:00Z', hours(12.75)],
  ['MST7', '2026-07-01T00:00:00Z', hours(-7)],
  ['XXX+1:02:03', '2026-07-01T00:00:00Z', -3723],
  // Central Europe.
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2026-03-29T00:59:59Z', hours(1)],
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2026-03-29T01:00:00Z', hours(2)],
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2026-10-25T00:59:59Z', hours(2)],
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2026-10-25T01:00:00Z', hours(1)],
  // A month whose fifth Sunday there is, and one where it is the fourth.
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2027-03-28T01:00:00Z', hours(2)],
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2027-10-31T00:59:59Z', hours(2)],
  ['CET-1CEST,M3.5.0,M10.5.0/3', '2027-10-31T01:00:00Z', hours(1)],
  // New York.
  ['EST5EDT,M3.2.0,M11.1.0', '2026-03-08T06:59:59Z', hours(-5)],
  ['EST5EDT,M3.2.0,M11.1.0', '2026-03-08T07:00:00Z', hours(-4)],
  ['EST5EDT,M3.2.0,M11.1.0', '2026-11-01T05:59:59Z', hours(-4)],
  ['EST5EDT,M3.2.0,M11.1.0', '2026-11-01T06:00:00Z', hours(-5)],
  // Sydney: the year begins and ends in summer.
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', '2026-01-01T00:00:00Z', hours(11)],
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', '2026-04-04T15:59:59Z', hours(11)],
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', '2026-04-04T16:00:00Z', hours(10)],
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', '2026-10-03T16:00:00Z', hours(11)],
  ['AEST-10AEDT,M10.1.0,M4.1.0/3', '2026-12-31T13:30:00Z', hours(11)],
  // Dublin writes its winter as a summer time that goes back.
  ['IST-1GMT0,M10.5.0,M3.5.0/1', '2026-01-01T00:00:00Z', 0],
  ['IST-1GMT0,M10.5.0,M3.5.0/1', '2026-03-29T00:59:59Z', 0],
  ['IST-1GMT0,M10.5.0,M3.5.0/1', '2026-03-29T01:00:00Z', hours(1)],
  ['IST-1GMT0,M10.5.0,M3.5.0/1', '2026-10-25T01:00:00Z', 0],
  // Half an hour of summer; hours before midnight; hours of another day.
  ['<+1030>-10:30<+11>-11,M10.1.0,M4.1.0', '2026-12-01T00:00:00Z', hours(11)],
  ['<-02>2<-01>,M3.5.0/-1,M10.5.0/0', '2026-03-29T00:59:59Z', hours(-2)],
  ['<-02>2<-01>,M3.5.0/-1,M10.5.0/0', '2026-03-29T01:00:00Z', hours(-1)],
  ['EET-2EEST,M3.4.4/50,M10.4.4/50', '2026-03-27T23:59:59Z', hours(2)],
  ['EET-2EEST,M3.4.4/50,M10.4.4/50', '2026-03-28T00:00:00Z', hours(3)],
  // Days of the year: J60 is the first of March in every year, 59 only where February has 28 days.
  ['AAA0BBB,J60/0,J300/0', '2028-02-29T23:59:59Z', 0],
  ['AAA0BBB,J60/0,J300/0', '2028-03-01T00:00:00Z', hours(1)],
  ['AAA0BBB,59/0,300/0', '2028-02-29T00:00:00Z', hours(1)],
  ['AAA0BBB,59/0,300/0', '2027-02-28T23:59:59Z', 0],
  ['AAA0BBB,59/0,300/0', '2027-03-01T00:00:00Z', hours(1)],
];
const offsets = suite('zone: offsets');
for (const [text, moment, want] of cases)
  offsets(`${text} at ${moment}`, () => {
    const zone = zones.parse(text);
    assert.is(zone === null ? null : zones.offsetAt(zone, seconds(at(moment))), want);
  });
for (const text of [
  '',
  'UTC',
  'CE-1',
  'CET',
  'CET-25',
  'CET-1:60',
  'CET-1CEST',
  'CET-1CEST,M3.5.0',
  'CET-1CEST,M13.5.0,M10.5.0',
  'CET-1CEST,M3.0.0,M10.5.0',
  'CET-1CEST,M3.6.0,M10.5.0',
  'CET-1CEST,M3.5.7,M10.5.0',
  'CET-1CEST,M3.5.0/168,M10.5.0',
  'CET-1CEST,J0,J300',
  'CET-1CEST,J366,J300',
  'CET-1CEST,366,300',
  'CET-1CEST,M3.5.0,M10.5.0/3 ',
  'Europe/Berlin',
  '<+1>-1',
])
  offsets(`refuses "${text}"`, () => assert.is(zones.parse(text), null));
offsets.run();

const system = (timezone?: string | readonly string[]): readonly Section[] => [
  { name: 'ntp', type: 'timeserver', options: new Map() },
  { name: 'cfg01', type: 'system', options: new Map(timezone === undefined ? [] : [['timezone', timezone]]) },
];
const config = suite('zone: the config system');
config('none is UTC', () => {
  for (const sections of [[], system(), system('UTC')]) {
    const zone = zones.parseSystem(sections);
    assert.equal(zone.ok && zone.value, zones.utc);
  }
});
config('the one that is set', () => {
  const zone = zones.parseSystem(system('JST-9'));
  assert.is(zone.ok && zone.value.standard, hours(9));
});
for (const wrong of ['Europe/Berlin', ['CET-1', 'JST-9']])
  config(`refuses ${wrong}`, () => {
    const zone = zones.parseSystem(system(wrong));
    assert.equal(zone.ok ? null : [zone.fault.code, zone.fault.path], ['malformed', 'system.timezone']);
  });
config.run();

import { expect, test } from 'vitest';

import { parseDatacenter } from './parse-datacenter';
import { planImport } from './plan';
import { reportOf } from './report-file';

const QUESTION = {
  id: 4711,
  title: 'How do we ship?',
  body: '<p>With care</p>',
  dateAsked: '2019-03-04T10:00:00Z',
  viewCount: 812,
  favouriteCount: 3,
  watchers: ['alice', 'bob'],
  topics: [{ name: 'releases', description: 'How we release' }],
  space: { key: 'ENG', name: 'Engineering' },
};

function reportFor(...questions: object[]) {
  const plan = planImport(parseDatacenter(JSON.stringify(questions)), { siteName: 'old', accounts: new Map(), now: Date.UTC(2026, 10, 25) });
  return { plan, report: JSON.parse(reportOf(plan.loss, null)) as { loss: { neverKept: { where: string; what: string }[] } } };
}

test('the report names what no import keeps, and the plan holds none of it', () => {
  const { plan, report } = reportFor(QUESTION);

  expect(report.loss.neverKept.map(({ where }) => where)).toEqual([
    'View counts',
    'Favourites and bookmarks',
    'Watchers',
    'Descriptions of topics and tags',
    'The spaces that questions came from',
  ]);
  expect(report.loss.neverKept.filter(({ what }) => !what.startsWith('are not kept: '))).toEqual([]);
  expect(plan.questions[0]?.tags).toEqual(['releases']);
  expect(JSON.stringify(plan.questions)).not.toMatch(/812|How we release|ENG|Engineering|alice|bob/);
});

test('it is not counted among the entries of the file that were passed over', () => {
  expect(reportFor(QUESTION).plan.loss.notes).toEqual([]);
});

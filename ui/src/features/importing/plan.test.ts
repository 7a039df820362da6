import { expect, test } from 'vitest';

import { ALICE, BOB, CAROL } from '../../test/cast';
import type { OldQuestion } from './old-site';
import { textOfHtml } from './html-body';
import { planImport, postCount, sourcesOf } from './plan';

const NOW = Date.UTC(2026, 10, 25, 12);
const accounts = new Map([
  ['alice', ALICE],
  ['bob', BOB],
  ['carol', CAROL],
]);

const old: OldQuestion = {
  oldId: 'question:1',
  title: 'How do we ship?',
  author: 'alice',
  createdAt: '2019-03-04T10:00:00.000Z',
  activeAt: '2019-04-01T00:00:00.000Z',
  text: textOfHtml('<p>With <b>care</b></p>'),
  votes: [],
  countedVotes: 0,
  comments: [],
  tags: [],
  answers: [],
  bounty: null,
  closed: null,
};

function plan(...questions: Partial<OldQuestion>[]) {
  const site = { questions: questions.map((part, at) => ({ ...old, oldId: `question:${at + 1}`, ...part })), notes: [] };
  return planImport(site, { siteName: 'old', accounts, now: NOW });
}

test('a question is planned as it was', () => {
  const answer = { ...old, oldId: 'answer:1', author: 'anna', isAccepted: true, acceptedAt: '2019-03-05T00:00:00.000Z' };
  const made = plan({ answers: [answer], bounty: 50, closed: 'outdated', tags: ['CI', 'ci', 'Old Times'] });

  expect(made.questions).toEqual([
    {
      source: 'old:question:1',
      title: 'How do we ship?',
      storage: '<p>With <strong>care</strong></p>',
      author: { accountId: ALICE },
      createdAt: '2019-03-04T10:00:00.000Z',
      activeAt: '2019-04-01T00:00:00.000Z',
      votes: [],
      comments: [],
      tags: ['ci', 'old-times'],
      bounty: 50,
      closed: 'outdated',
      answers: [
        expect.objectContaining({
          source: 'old:answer:1',
          title: 'Answer: How do we ship?',
          author: { former: 'anna' },
          isAccepted: true,
          acceptedAt: '2019-03-05T00:00:00.000Z',
        }),
      ],
    },
  ]);
  expect(made.loss.unmappedAuthors).toEqual([{ name: 'anna', count: 1 }]);
  expect([postCount(made), sourcesOf(made)]).toEqual([2, ['old:question:1', 'old:answer:1']]);
});

test('votes without a voter here, on own posts, twice and beyond 500 are counted as lost', () => {
  const crowd = Array.from({ length: 501 }, (_, at) => [`p${at}`, `557058:person-${at}`] as const);
  const votes = [
    { voter: 'bob', value: 1 },
    { voter: 'bob', value: -1 },
    { voter: 'alice', value: 1 },
    { voter: 'gone', value: 1 },
  ] as const;
  const made = plan({ votes, countedVotes: 7 });

  expect(made.questions[0]?.votes).toEqual([{ accountId: BOB, value: 1 }]);
  expect(made.loss.droppedVotes).toEqual([
    { name: 'own-post', count: 1 },
    { name: 'repeated', count: 1 },
    { name: 'voter-not-mapped', count: 1 },
  ]);
  expect(made.loss.votesWithoutVoters).toBe(7);

  const many = crowd.map(([voter]) => ({ voter, value: 1 as const }));
  const site = { questions: [{ ...old, votes: many }], notes: [] };
  const crowded = planImport(site, { siteName: 'old', accounts: new Map(crowd), now: NOW });
  expect(crowded.questions[0]?.votes).toHaveLength(500);
  expect(crowded.loss.droppedVotes).toEqual([{ name: 'too-many', count: 1 }]);
});

test.each([
  ['2999-01-01T00:00:00.000Z', '2026-11-25T12:00:00.000Z', 'is from the future'],
  ['1970-01-01T00:00:00.000Z', '2000-01-01T00:00:00.000Z', 'is from before 2000'],
  [null, '2026-11-25T12:00:00.000Z', 'has no time that can be read'],
])('the time %s becomes %s', (createdAt, expected, what) => {
  const made = plan({ createdAt, activeAt: null });

  expect(made.questions[0]?.createdAt).toBe(expected);
  expect(made.loss.times).toEqual([{ where: 'old:question:1', what }]);
});

test('an answer without a time was given when its question was asked; a time before the post is none', () => {
  const answer = { ...old, oldId: 'answer:1', createdAt: null, isAccepted: true, acceptedAt: '2001-01-01T00:00:00.000Z' };
  const [question] = plan({ activeAt: '2001-01-01T00:00:00.000Z', answers: [answer] }).questions;

  expect(question?.activeAt).toBeNull();
  expect(question?.answers[0]).toMatchObject({ createdAt: old.createdAt, acceptedAt: null });
});

test('titles are cleaned, cut at whole characters and never empty', () => {
  const made = plan({ title: ` a\u0000\n\u202eb ` }, { title: `${'x'.repeat(253)}😀😀` }, { title: '\u0007' });

  expect(made.questions.map(({ title }) => title)).toEqual(['a b', `${'x'.repeat(253)}…`, 'Question without a title']);
  expect(made.loss.titles.map(({ where }) => where)).toEqual(['old:question:2', 'old:question:3']);
});

test('tags beyond five and those of nothing but signs are left out and listed', () => {
  const made = plan({ tags: ['one', 'two', 'three', 'four', 'five', 'six', '???'] });

  expect(made.questions[0]?.tags).toEqual(['one', 'two', 'three', 'four', 'five']);
  expect(made.loss.tags).toEqual([
    { from: '???', to: null, count: 1 },
    { from: 'six', to: null, count: 1 },
  ]);
});

test('comments say whose they were; markup in them is data', () => {
  const comment = { author: '<b>bob</b>', createdAt: '2019-03-05T10:00:00.000Z', text: textOfHtml('<p>Why?</p><object></object>') };
  const made = plan({ comments: [comment, { ...comment, author: null, createdAt: null }] });

  expect(made.questions[0]?.comments).toEqual([
    '<p><em>Comment by &lt;b&gt;bob&lt;/b&gt; on 2019-03-05:</em></p><p>Why?</p>',
    '<p><em>Comment by somebody:</em></p><p>Why?</p>',
  ]);
  expect(made.loss).toMatchObject({ comments: 2, unsupportedMarkup: [{ name: 'object', count: 2 }] });
});

test('a second post with the same id is left out', () => {
  const made = plan({ oldId: 'question:1' }, { oldId: 'question:1' });

  expect(made.questions).toHaveLength(1);
  expect(made.loss.notes).toEqual([{ where: 'question:1', what: 'is in the file twice; the second one is left out' }]);
});

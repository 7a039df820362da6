import fc from 'fast-check';
import { expect, test } from 'vitest';

import { toStorage } from '../../shared/storage';
import { parseAccountMap } from './account-map';
import { csvRows } from './csv-rows';
import { Unreadable } from './old-site';
import { parseCsv } from './parse-csv';
import { parseDatacenter } from './parse-datacenter';
import { parseStack } from './parse-stack';
import { readExport } from './read-export';
import { decodeFile, LARGEST_FILE } from './read-file';
import { slugOf } from './tag-names';
import { asTime } from './values';

const bytes = (text: string) => new TextEncoder().encode(text);

const DATACENTER = {
  questions: [
    {
      id: 4711,
      title: 'How do we ship?',
      body: { content: '<p>With <strong>care</strong></p>' },
      author: { name: 'alice', userKey: 'ff8080' },
      dateAsked: 1_551_693_600_000,
      topics: [{ name: 'Release Notes' }, 'ci'],
      votes: [{ user: { userKey: 'bob' }, value: 1 }, { user: 'carol', type: 'down' }],
      bounty: { points: 50, awarder: 'alice' },
      comments: [{ author: 'bob', body: 'Why?', dateCommented: '2019-03-05' }],
      answers: [
        {
          id: 5,
          body: '<p>Like this</p>',
          author: { key: 'bob' },
          dateAnswered: '2019-03-05T10:00:00+01:00',
          accepted: true,
          votes: { up: 3, down: 1 },
        },
        { body: 'no id' },
      ],
    },
    { title: 'no id' },
    { id: 9, deleted: true, title: 'gone' },
    'nonsense',
  ],
};

test('Data Center: questions with everything inside', () => {
  const { questions, notes } = parseDatacenter(JSON.stringify(DATACENTER));

  expect(questions).toHaveLength(1);
  expect(questions[0]).toMatchObject({
    oldId: 'question:4711',
    title: 'How do we ship?',
    author: 'ff8080',
    createdAt: '2019-03-04T10:00:00.000Z',
    tags: ['Release Notes', 'ci'],
    votes: [{ voter: 'bob', value: 1 }, { voter: 'carol', value: -1 }],
    countedVotes: 0,
    bounty: 50,
    comments: [{ author: 'bob', createdAt: '2019-03-05T00:00:00.000Z' }],
    answers: [
      { oldId: 'answer:5', author: 'bob', createdAt: '2019-03-05T09:00:00.000Z', isAccepted: true, countedVotes: 4 },
    ],
  });
  expect(toStorage(questions[0]?.text.body ?? [])).toBe('<p>With <strong>care</strong></p>');
  expect(notes).toEqual([
    { where: 'Question 1, answer 2', what: 'has no id and is left out' },
    { where: 'Question 2', what: 'has no id and is left out' },
    { where: 'Question 3', what: 'was deleted on the old site and is left out' },
    { where: 'Question 4', what: 'is no object and is left out' },
  ]);
});

test('Data Center: a list, lines of objects, and voters by direction are read too', () => {
  const question = { id: 1, title: 't', votes: { up: ['a', { name: 'b' }], down: [{ user: 'c' }] } };
  const votes = [
    { voter: 'a', value: 1 },
    { voter: 'b', value: 1 },
    { voter: 'c', value: -1 },
  ];

  expect(parseDatacenter(JSON.stringify([question])).questions[0]?.votes).toEqual(votes);
  const lines = `${JSON.stringify(question)}\n${JSON.stringify({ ...question, id: 2 })}\n`;
  expect(parseDatacenter(lines).questions.map(({ oldId }) => oldId)).toEqual(['question:1', 'question:2']);
});

const STACK = {
  posts: [
    {
      Id: 1, PostTypeId: 1, AcceptedAnswerId: 3, OwnerUserId: 7, CreationDate: '2020-01-02T03:04:05.670', Score: -2,
      Title: 'A &amp; B <i>', Body: '<p>x</p>', Tags: '<c++><node.js>', ClosedDate: '2021-01-01', ClosedReason: 'Duplicate',
    },
    { Id: 2, PostTypeId: 2, ParentId: 1, OwnerUserId: 8, CreationDate: '2020-01-03', Score: 4, Body: '<p>no</p>' },
    { Id: 3, PostTypeId: 2, ParentId: 1, OwnerDisplayName: 'gone', CreationDate: '2020-01-03', Body: '<p>yes</p>' },
    { Id: 4, PostTypeId: 2, ParentId: 99, Body: 'orphan' },
    { Id: 5, PostTypeId: 4, Body: 'wiki' },
  ],
  comments: [{ PostId: 1, UserId: 8, Text: 'hm', CreationDate: '2020-01-04' }],
};

test('Stack Overflow for Teams: posts find their question, the accepted one is marked', () => {
  const { questions, notes } = parseStack(JSON.stringify(STACK));

  expect(questions).toMatchObject([
    {
      oldId: 'post:1', title: 'A & B <i>', author: '7', createdAt: '2020-01-02T03:04:05.670Z', tags: ['c++', 'node.js'],
      countedVotes: 2, closed: null, comments: [{ author: 'user 8' }],
      answers: [
        { oldId: 'post:2', author: '8', isAccepted: false, countedVotes: 4 },
        { oldId: 'post:3', author: 'gone', isAccepted: true },
      ],
    },
  ]);
  expect(notes.map(({ where }) => where)).toEqual(['Post 5', 'Post 1', 'Post 4']);
});

test.each([
  ['Off-topic', 'off-topic'],
  ['obsolete', 'outdated'],
  [undefined, 'no-longer-needed'],
])('Stack Overflow for Teams: closed as %s', (reason, expected) => {
  const post = { id: 1, post_type_id: 1, title: 't', body: 'b', closed_date: '2021-01-01', closed_reason: reason };
  expect(parseStack(JSON.stringify([post])).questions[0]?.closed).toBe(expected);
});

const CSV = [
  'id;title;body;author;created;tags;answer_of;accepted;mood',
  '1;"How, ""really""?";"line one',
  'line two";alice;2019-03-04;"a, b";;',
  '2;;**yes**;bob;2019-03-05 10:00:00;;1;TRUE',
  '3;;orphan;bob;;;77;',
].join('\r\n');

test('CSV: quotes, line breaks, separators and answers', () => {
  const { questions, notes } = parseCsv(CSV);

  expect(questions).toMatchObject([
    {
      oldId: 'post:1', title: 'How, "really"?', author: 'alice', createdAt: '2019-03-04T00:00:00.000Z', tags: ['a', 'b'],
      answers: [{ oldId: 'post:2', createdAt: '2019-03-05T10:00:00.000Z', isAccepted: true }],
    },
  ]);
  expect(notes).toEqual([
    { where: 'Header', what: 'the column “mood” is not known and is left out' },
    { where: 'post:3', what: 'answers 77, which is not in the file, and is left out' },
  ]);
});

test('CSV: what is written is read back', () => {
  const cell = fc.string({ maxLength: 8 });
  const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 6 }), (rows) => {
      const filled = rows.map((row) => ['x', ...row]);
      const text = ['a,b,c,d', ...filled.map((row) => row.map(quoted).join(','))].join('\r\n');
      expect(csvRows(text).slice(1)).toEqual(filled);
    }),
  );
});

test.each([
  ['datacenter', '{"questions": ['],
  ['datacenter', '{"questions": []}'],
  ['datacenter', 'null'],
  ['datacenter', '"text"'],
  ['stack', '{}'],
  ['stack', '[1, 2'],
  ['csv', ''],
  ['csv', 'id,title,body\n'],
  ['csv', 'id,name\n1,x'],
  ['csv', 'id,title,body\n1,"open'],
] as const)('%s: %s is refused in words', (format, text) => {
  expect(() => readExport(format, bytes(text))).toThrow(Unreadable);
});

test.each(['datacenter', 'stack', 'csv'] as const)('%s: any JSON or text is read or refused, never an accident', (format) => {
  const json = fc.oneof(fc.json(), fc.array(fc.object()).map((posts) => JSON.stringify({ posts, questions: posts })), fc.string());
  fc.assert(
    fc.property(json, (text) => {
      try {
        readExport(format, bytes(text));
      } catch (reason) {
        expect(reason).toBeInstanceOf(Unreadable);
      }
    }),
  );
});

test('a name such as __proto__ means nothing', () => {
  const text = '[{"id": 1, "title": "t", "__proto__": {"tags": ["x"]}, "author": {"__proto__": {"name": "evil"}}}]';
  expect(parseDatacenter(text).questions[0]).toMatchObject({ tags: [], author: null });
});

test('ten megabytes are read in moments', () => {
  const question = { title: 'Long', body: { content: `<p>${'word &amp; '.repeat(1_000)}</p>` } };
  const text = JSON.stringify(Array.from({ length: 1_000 }, (_, id) => ({ ...question, id: id + 1 })));
  expect(text.length).toBeGreaterThan(10_000_000);

  const started = performance.now();
  expect(parseDatacenter(text).questions).toHaveLength(1_000);
  expect(performance.now() - started).toBeLessThan(10_000);
});

test.each([
  ['UTF-8 with a mark', [0xef, 0xbb, 0xbf, 0xc3, 0xbc], 'ü', null],
  ['UTF-16', [0xff, 0xfe, 0xfc, 0x00], 'ü', null],
  ['UTF-16, the other way', [0xfe, 0xff, 0x00, 0xfc], 'ü', null],
  ['UTF-8', [0xc3, 0xbc], 'ü', null],
  ['Windows-1252', [0x66, 0xfc, 0x72], 'für', 'Windows-1252'],
])('%s is decoded', (_, given, text, guessedEncoding) => {
  expect(decodeFile(Uint8Array.from(given))).toEqual({ text, guessedEncoding });
});

test('a file that is no text, lies about its encoding or is too large is refused', () => {
  expect(() => decodeFile(Uint8Array.from([0x50, 0x4b, 0x03, 0x04, 0x00]))).toThrow(/no text file/);
  expect(() => decodeFile(Uint8Array.from([0xef, 0xbb, 0xbf, 0xff]))).toThrow(/UTF-8/);
  expect(() => decodeFile(new Uint8Array(LARGEST_FILE + 1))).toThrow(/50 MB/);
});

test('a guessed encoding is told', () => {
  const file = Uint8Array.from([...bytes('id,title,body\n1,f'), 0xfc, ...bytes('r,x')]);
  const { questions, notes } = readExport('csv', file);

  expect(questions[0]?.title).toBe('für');
  expect(notes[0]?.what).toContain('Windows-1252');
});

test('the account map: header, faults and doubles', () => {
  const bob = '557058:b0b00000-0000-4000-8000-000000000002';
  const { accounts, notes } = parseAccountMap(`user,account\nbob,${bob}\nanna,\ncarl,no id here!\nbob,557058:other-account\n`);

  expect([...accounts]).toEqual([['bob', bob]]);
  expect(notes.map(({ where }) => where)).toEqual(['Row 3', 'Row 4', 'Row 5']);
});

test.each([
  [1_551_693_600, '2019-03-04T10:00:00.000Z'],
  ['1551693600000', '2019-03-04T10:00:00.000Z'],
  ['2019-03-04T10:00:00', '2019-03-04T10:00:00.000Z'],
  ['2019-03-04 10:00:00+0200', '2019-03-04T08:00:00.000Z'],
  ['04/03/2019', null],
  ['2019-13-99', null],
  [1e300, null],
  [null, null],
])('the time %s is %s', (given, expected) => {
  expect(asTime(given)).toBe(expected);
});

test.each([
  [' Release  Notes ', 'release-notes'],
  ['C++', 'c++'],
  ['.net', 'net'],
  ['Ｗｉｆｉ', 'wifi'],
  ['a\u202eb', 'ab'],
  ['???', null],
  ['x'.repeat(60), 'x'.repeat(35)],
])('the tag %j becomes %j', (name, expected) => {
  expect(slugOf(name)).toBe(expected);
});

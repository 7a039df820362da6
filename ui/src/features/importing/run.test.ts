import { expect, test } from 'vitest';

import type { Imports } from '../../api/imports';
import { Failure } from '../../api/problem';
import { memoryStorage } from '../../shared/browser-storage';
import { createGate, Stopped } from './gate';
import type { Plan, PlannedQuestion } from './plan';
import { NOTHING_PLANNED } from './plan';
import { noProgress, type Progress, runImport } from './run';
import { startedStore } from './started';

const TARGET = { spaceId: '65537', questionType: 'q', answerType: 'a' };

/** A backend and a Confluence in memory, which can be told to fail before or after they have acted. */
class OldPlace {
  readonly content = new Map<string, { type: string; container: unknown; title: string }>();
  readonly known = new Map<string, string>();
  readonly comments: string[] = [];
  readonly calls: string[] = [];
  fail: (call: string) => Failure | null = () => null;
  failAfter: (call: string) => Failure | null = () => null;

  readonly imports: Imports = {
    known: (sources) =>
      this.act('known', () => new Map(sources.flatMap((one) => (this.known.has(one) ? [[one, this.known.get(one) ?? '']] : [])))),
    create: (post) =>
      this.act(`create ${post.title}`, () => {
        const id = String(1_000 + this.content.size);
        this.content.set(id, { type: post.type, container: post.container, title: post.title });
        return id;
      }),
    comment: (contentId, storage) => this.act(`comment ${storage}`, () => void this.comments.push(`${contentId}:${storage}`)),
    takeQuestion: (body) => this.act(`take ${body.source}`, () => this.take(body)),
    takeAnswer: (body) => this.act(`take ${body.source}`, () => this.take(body)),
  };

  private take(body: { source: string; contentId: string; votes: readonly unknown[] }) {
    const contentId = this.known.get(body.source) ?? body.contentId;
    this.known.set(body.source, contentId);
    return { contentId, votes: body.votes.length, droppedVotes: [{ reason: 'not-granted', count: 1 }] };
  }

  private act<Result>(call: string, work: () => Result): Promise<Result> {
    this.calls.push(call);
    const before = this.fail(call);
    if (before) return Promise.reject(before);
    const result = work();
    const after = this.failAfter(call);
    return after ? Promise.reject(after) : Promise.resolve(result);
  }
}

function question(name: string, ...answers: string[]): PlannedQuestion {
  const post = (source: string) => ({
    source,
    title: source,
    storage: '<p>x</p>',
    author: { former: 'anna' },
    createdAt: '2019-03-04T10:00:00.000Z',
    votes: [],
    comments: [],
  });
  return {
    ...post(name),
    tags: [],
    activeAt: null,
    bounty: null,
    closed: null,
    answers: answers.map((answer) => ({ ...post(answer), isAccepted: false, acceptedAt: null })),
  };
}

const planOf = (...questions: PlannedQuestion[]): Plan => ({ ...NOTHING_PLANNED, questions });

function setUp(place = new OldPlace(), storage = memoryStorage()) {
  const waits: number[] = [];
  const gate = createGate();
  const seen: Progress[] = [];
  const tools = {
    imports: place.imports,
    started: startedStore(storage, { site: 'https://acme.example', accountId: 'carol' }),
    wait: (ms: number) => {
      waits.push(ms);
      return Promise.resolve();
    },
  };
  const run = (plan: Plan) => runImport(plan, TARGET, tools, gate, (progress) => void seen.push(progress));
  return { place, storage, waits, gate, seen, run };
}

const away = new Failure('unavailable', 'The service is busy.', { status: 503 });
const forbidden = new Failure('forbidden', 'You may not do this.', { status: 403, traceId: 'abc' });

test('questions come before their answers, each created once and then registered', async () => {
  const { place, run, storage } = setUp();

  const progress = await run(planOf(question('q1', 'a1', 'a2'), question('q2')));

  expect(place.calls).toEqual([
    'known', 'create q1', 'take q1', 'create a1', 'take a1', 'create a2', 'take a2', 'create q2', 'take q2',
  ]);
  expect(place.content.get('1001')).toEqual({ type: 'a', container: { customContentId: '1000' }, title: 'a1' });
  expect(progress).toMatchObject({ total: 4, done: 4, skipped: 0, droppedVotes: { 'not-granted': 4 }, errors: [] });
  expect(storage.length).toBe(0);
});

test('a second run skips what is known and doubles nothing', async () => {
  const { place, run } = setUp();
  const plan = planOf(question('q1', 'a1'));
  await run(plan);

  const progress = await run(planOf(...plan.questions, question('q2')));

  expect(place.content.size).toBe(3);
  expect(progress).toMatchObject({ total: 3, done: 3, skipped: 2 });
});

test('an answer finds its question although that was imported by an earlier run', async () => {
  const { place, run } = setUp();
  await run(planOf(question('q1')));

  await run(planOf(question('q1', 'a1')));

  expect(place.content.get('1001')?.container).toEqual({ customContentId: '1000' });
});

test('content that was created and not registered is taken up, not created again', async () => {
  const first = setUp();
  first.place.fail = (call) => (call === 'take q1' ? forbidden : null);
  const broken = await first.run(planOf(question('q1', 'a1')));
  expect(broken.errors).toEqual([
    { source: 'q1', message: 'You may not do this.', traceId: 'abc' },
    { source: 'a1', message: 'Its question was not imported.', traceId: undefined },
  ]);
  first.place.fail = () => null;

  // As after a reload: only the browser's storage is left.
  const second = setUp(first.place, first.storage);
  const progress = await second.run(planOf(question('q1', 'a1')));

  expect(progress).toMatchObject({ done: 2, skipped: 0, errors: [] });
  expect([...first.place.content.values()].map(({ title }) => title)).toEqual(['q1', 'a1']);
  expect(first.storage.length).toBe(0);
});

test('registering is repeated while the failure passes, as long as the backend asks', async () => {
  const { place, run, waits } = setUp();
  let left = 2;
  place.failAfter = (call) =>
    call === 'take q1' && left-- > 0 ? new Failure('too-many', 'Slow down.', { retryAfterS: 30 }) : null;

  const progress = await run(planOf(question('q1')));

  expect(progress.errors).toEqual([]);
  expect(waits).toEqual([30_000, 30_000]);
  expect(place.content.size).toBe(1);
});

test('creating is not repeated when nobody knows whether it happened', async () => {
  const { place, run } = setUp();
  place.failAfter = (call) => (call === 'create q1' ? away : null);

  const progress = await run(planOf(question('q1')));

  expect(place.calls).toEqual(['known', 'create q1']);
  expect(progress.errors).toHaveLength(1);
});

test('content that is gone when it is to be registered is created anew by the next run', async () => {
  const { place, run } = setUp();
  place.fail = (call) => (call === 'take q1' ? new Failure('not-found', 'Nothing here.') : null);
  await run(planOf(question('q1')));
  place.fail = () => null;

  await run(planOf(question('q1')));

  expect(place.calls.filter((call) => call.startsWith('create'))).toHaveLength(2);
});

test('comments are written once each, also over a break', async () => {
  const { place, run } = setUp();
  const post = { ...question('q1'), comments: ['one', 'two', 'three'] };
  place.fail = (call) => (call === 'comment two' ? forbidden : null);
  expect((await run(planOf(post))).errors).toHaveLength(1);
  place.fail = () => null;

  const progress = await run(planOf(post));

  expect(place.comments).toEqual(['1000:one', '1000:two', '1000:three']);
  expect(progress).toMatchObject({ comments: 2, errors: [] });
  await run(planOf(post));
  expect(place.comments).toHaveLength(3);
});

test('content of a post that somebody else has imported meanwhile is named', async () => {
  const { place, run } = setUp();
  place.failAfter = (call) => {
    if (call === 'create q1') place.known.set('q1', '77');
    return null;
  };

  const progress = await run(planOf(question('q1')));

  expect(progress.leftOver).toEqual(['1000']);
});

test('five failures in a row pause the run', async () => {
  const { place, run, gate, seen } = setUp();
  place.fail = (call) => (call.startsWith('create') ? forbidden : null);
  const running = run(planOf(...Array.from({ length: 8 }, (_, at) => question(`q${at}`))));

  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen.at(-1)).toMatchObject({ done: 5 });
  place.fail = () => null;
  gate.resume();

  expect(await running).toMatchObject({ done: 8 });
});

test('a paused run waits, a stopped one ends', async () => {
  const { place, run, gate } = setUp();
  gate.pause();
  const running = run(planOf(question('q1')));
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(place.content.size).toBe(0);

  gate.stop();

  await expect(running).rejects.toBeInstanceOf(Stopped);
});

test('when it cannot be asked what is known, nothing is written', async () => {
  const { place, run } = setUp();
  place.fail = (call) => (call === 'known' ? away : null);

  await expect(run(planOf(question('q1')))).rejects.toBe(away);

  expect(place.content.size).toBe(0);
  expect(place.calls).toHaveLength(5);
});

test('storage that is full or broken stops nothing', async () => {
  const storage = memoryStorage();
  storage.getItem = () => '{';
  storage.setItem = () => {
    throw new Error('full');
  };
  const { run } = setUp(new OldPlace(), storage);

  expect(await run(planOf(question('q1')))).toMatchObject({ done: 1, errors: [] });
  expect(noProgress(NOTHING_PLANNED).total).toBe(0);
});

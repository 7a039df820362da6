import { expect, test } from 'vitest';

import type { BackendAnswer } from '../host/bridge';
import { HostUnavailable } from '../host/bridge';
import { problem } from '../test/fake-backend';
import { fakeHost } from '../test/fake-host';
import { emptySite } from '../test/fake-site';
import { createClient } from './client';
import { Failure, type FailureKind } from './problem';

async function failureFor(fault: BackendAnswer | Error): Promise<Failure> {
  const host = fakeHost(emptySite());
  host.fault = () => fault;
  return createClient(host)
    .me()
    .then(
      () => {
        throw new Error('The call should have failed.');
      },
      (reason: unknown) => {
        if (reason instanceof Failure) return reason;
        throw reason;
      },
    );
}

test.each<[number, FailureKind, boolean]>([
  [400, 'invalid', false],
  [401, 'unauthenticated', true],
  [403, 'forbidden', false],
  [404, 'not-found', false],
  [409, 'conflict', false],
  [413, 'invalid', false],
  [422, 'invalid', false],
  [429, 'too-many', true],
  [500, 'unexpected', true],
  [503, 'unavailable', true],
])('status %i is %s', async (status, kind, isTemporary) => {
  const failure = await failureFor(problem(status, 'some-code', 'Detail.'));

  expect(failure).toMatchObject({ kind, isTemporary, status, code: 'some-code' });
  expect(failure.traceId).toMatch(/^[0-9a-f]{32}$/);
});

test('a problem lists what was wrong with the request', async () => {
  const problems = [{ pointer: '/url', detail: 'Not a URL.' }];

  const failure = await failureFor(problem(400, 'invalid', 'The request has problems.', { problems }));

  expect(failure.message).toBe('The request has problems.');
  expect(failure.problems).toEqual(problems);
});

test("the backend's wording of an inner failure is not shown", async () => {
  const failure = await failureFor(problem(500, 'internal', 'IntegrityError: tenant 5'));

  expect(failure.message).toBe('Something went wrong on our side.');
});

test('an answer that is not a problem has a fixed sentence and no trace id', async () => {
  const html = { status: 502, body: '<h1>Bad gateway</h1>', headers: { 'content-type': 'text/html' } };

  const failure = await failureFor(html);

  expect(failure).toMatchObject({ kind: 'unavailable', traceId: undefined });
  expect(failure.message).not.toContain('<h1>');
});

test('the wait that the backend asks for is known', async () => {
  const busy = problem(429, 'too-many', 'Slow down.');

  const failure = await failureFor({ ...busy, headers: { ...busy.headers, 'retry-after': '7' } });

  expect(failure.retryAfterS).toBe(7);
});

test('a backend that does not answer is offline', async () => {
  expect(await failureFor(new HostUnavailable('no answer'))).toMatchObject({ kind: 'offline', status: undefined });
});

test('a 2xx answer that is not JSON is unexpected', async () => {
  expect(await failureFor({ status: 200, body: '<html>', headers: {} })).toMatchObject({ kind: 'unexpected' });
});

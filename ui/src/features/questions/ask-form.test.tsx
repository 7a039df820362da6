import { act, fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, test, vi } from 'vitest';

import { problem } from '../../test/fake-backend';
import { fakeHost, type FakeHost } from '../../test/fake-host';
import { emptySite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';


async function fillIn(user: ReturnType<typeof openApp>['user']) {
  await user.type(await screen.findByLabelText(/^Title/), 'How do we deploy?');
  await user.type(screen.getByLabelText(/^Details/), 'I want **one** command.');
  await user.type(screen.getByLabelText('Tags'), 'Release Notes,ci{Enter}');
}

const registrations = (host: FakeHost) =>
  host.asked.filter(({ method, path }) => method === 'POST' && path === '/api/v1/questions');
const creations = (host: FakeHost) =>
  host.asked.filter(({ method, path }) => method === 'POST' && path === '/api/v2/custom-content');

test('asking writes to Confluence, registers the id, and opens the question', async () => {
  const site = emptySite();
  const host = fakeHost(site);
  const { user, storage } = openApp(host, { view: 'ask' });

  await fillIn(user);
  await user.click(screen.getByRole('button', { name: 'Publish question' }));

  expect(await screen.findByRole('heading', { level: 1, name: 'How do we deploy?' })).toBeInTheDocument();
  const [post] = [...site.posts.values()];
  expect(post).toMatchObject({ title: 'How do we deploy?', storage: '<p>I want <strong>one</strong> command.</p>' });
  expect(site.questions.get(post?.id ?? '')).toMatchObject({ tags: ['release-notes', 'ci'] });
  expect(registrations(host)[0]?.headers['Idempotency-Key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(storage.length).toBe(0);
  expect(host.pushed).toEqual([`question-${post?.id ?? ''}`]);
});

test('empty fields are named and nothing is sent', async () => {
  const host = fakeHost(emptySite());
  const { user } = openApp(host, { view: 'ask' });

  await user.click(await screen.findByRole('button', { name: 'Publish question' }));

  expect(screen.getByLabelText(/^Title/)).toHaveAccessibleDescription(/Give your question a title/);
  expect(screen.getByLabelText(/^Details/)).toBeInvalid();
  expect(creations(host)).toEqual([]);
});

test('a refusal by Confluence keeps the text and says why', async () => {
  const host = fakeHost(emptySite());
  host.fault = ({ path, method }) =>
    method === 'POST' && path === '/api/v2/custom-content' ? problem(403, 'x', 'x') : null;
  const { user } = openApp(host, { view: 'ask' });

  await fillIn(user);
  await user.click(screen.getByRole('button', { name: 'Publish question' }));

  expect(await screen.findByRole('alert')).toHaveTextContent('Your question was not published');
  expect(screen.getByLabelText(/^Title/)).toHaveValue('How do we deploy?');
});

test('a draft outlives the page', async () => {
  const site = emptySite();
  const first = openApp(fakeHost(site), { view: 'ask' });
  await fillIn(first.user);
  first.unmount();

  openApp(fakeHost(site), { view: 'ask', storage: first.storage });

  expect(await screen.findByLabelText(/^Title/)).toHaveValue('How do we deploy?');
  expect(screen.getByLabelText(/^Details/)).toHaveValue('I want **one** command.');
  expect(screen.getByText('release-notes')).toBeInTheDocument();
});

test('the draft of one person is not shown to another', async () => {
  const first = openApp(fakeHost(emptySite('alice')), { view: 'ask' });
  await fillIn(first.user);
  first.unmount();

  openApp(fakeHost(emptySite('bob')), { view: 'ask', storage: first.storage });

  expect(await screen.findByLabelText(/^Title/)).toHaveValue('');
});

test('a registration that fails is tried again with the same key, and the text is written once', async () => {
  const site = emptySite();
  const host = fakeHost(site);
  let failures = 1;
  host.fault = ({ method, path }) =>
    method === 'POST' && path === '/api/v1/questions' && failures-- > 0
      ? problem(503, 'unavailable', 'Away.')
      : null;
  const { user } = openApp(host, { view: 'ask' });

  await fillIn(user);
  await user.click(screen.getByRole('button', { name: 'Publish question' }));

  expect(
    await screen.findByRole('heading', { level: 1, name: 'How do we deploy?' }, { timeout: 5_000 }),
  ).toBeInTheDocument();
  const keys = registrations(host).map(({ headers }) => headers['Idempotency-Key']);
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
  expect(creations(host)).toHaveLength(1);
});

test('when the backend stays away the person learns that nothing is lost, and may try again', async () => {
  const site = emptySite();
  const host = fakeHost(site);
  host.fault = ({ method, path }) =>
    method === 'POST' && path === '/api/v1/questions' ? problem(503, 'unavailable', 'Away.') : null;
  const { user } = openApp(host, { view: 'ask' });
  await fillIn(user);
  vi.useFakeTimers();
  fireEvent.click(screen.getByRole('button', { name: 'Publish question' }));
  await act(() => vi.advanceTimersByTimeAsync(12_000));
  vi.useRealTimers();
  expect(await screen.findByText('Your question is saved in Confluence')).toBeInTheDocument();
  expect(creations(host)).toHaveLength(1);

  host.fault = () => null;
  await user.click(screen.getByRole('button', { name: 'Try again now' }));

  expect(await screen.findByRole('heading', { level: 1, name: 'How do we deploy?' })).toBeInTheDocument();
  expect(site.questions.size).toBe(1);
  expect(creations(host)).toHaveLength(1);
});

test('a registration that the backend refuses for good is not tried again', async () => {
  const site = emptySite();
  const host = fakeHost(site);
  host.fault = ({ method, path }) =>
    method === 'POST' && path === '/api/v1/questions'
      ? problem(422, 'other-author', 'The content has another author.')
      : null;
  const { user, storage } = openApp(host, { view: 'ask' });

  await fillIn(user);
  await user.click(screen.getByRole('button', { name: 'Publish question' }));

  expect(await screen.findByText(/The content has another author/)).toBeInTheDocument();
  expect(screen.queryByRole('button', { name: 'Try again now' })).not.toBeInTheDocument();
  expect(registrations(host)).toHaveLength(1);
  expect(storage.length).toBe(0);
});

test('a pending registration is finished at the next visit and appears in the list', async () => {
  const site = emptySite();
  const away = fakeHost(site);
  away.fault = ({ method, path }) =>
    method === 'POST' && path === '/api/v1/questions' ? new Promise(() => undefined) : null;
  const first = openApp(away, { view: 'ask' });
  await fillIn(first.user);
  await first.user.click(screen.getByRole('button', { name: 'Publish question' }));
  await waitFor(() => expect(registrations(away)).toHaveLength(1));
  // The frame is torn down while the registration has no answer.
  first.unmount();

  const back = fakeHost(site);
  const second = openApp(back, { storage: first.storage });

  expect(await screen.findByRole('button', { name: 'How do we deploy?' })).toBeInTheDocument();
  expect(registrations(back)[0]?.headers['Idempotency-Key']).toBe(
    registrations(away)[0]?.headers['Idempotency-Key'],
  );
  await waitFor(() => expect(second.storage.length).toBe(0));
});

import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { ALICE, BOB, TYPES } from '../../test/cast';
import { problem } from '../../test/fake-backend';
import { fakeHost } from '../../test/fake-host';
import { addPost, addQuestion, emptySite, type FakeSite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';

function ask(site: FakeSite, title: string, more: Parameters<typeof addQuestion>[2] = {}): string {
  const id = addPost(site, { type: TYPES.question, title, storage: '<p>…</p>', authorId: BOB });
  addQuestion(site, id, more);
  return id;
}

const titles = () => screen.queryAllByRole('heading', { level: 2 }).map((heading) => heading.textContent);

test('rows show title, tags, author and figures', async () => {
  const site = emptySite();
  ask(site, 'How do we deploy?', { tags: ['release'], score: 3, answerCount: 2, acceptedCount: 1 });
  openApp(fakeHost(site));

  const title = await screen.findByText('How do we deploy?');
  const row = title.closest('li');
  if (!row) throw new Error('The title stands in no row.');
  expect(within(row).getByText('release')).toBeInTheDocument();
  expect(within(row).getByText('Bob Baker')).toBeInTheDocument();
  expect(within(row).getByRole('img', { name: 'Accepted answer,' })).toBeInTheDocument();
});

test('a question that Confluence does not return is not shown, in no part', async () => {
  const site = emptySite();
  ask(site, 'Visible');
  const hidden = ask(site, 'Restricted', { tags: ['secret-project'] });
  const post = site.posts.get(hidden);
  if (post) post.isVisible = false;
  openApp(fakeHost(site));

  await screen.findByText('Visible');
  expect(titles()).toEqual(['Visible']);
  expect(screen.queryByText('secret-project')).not.toBeInTheDocument();
});

test('one bulk read fetches the titles of a page', async () => {
  const site = emptySite();
  for (let number = 0; number < 20; number += 1) ask(site, `Question ${number}`);
  const host = fakeHost(site);
  openApp(host);

  await screen.findByText('Question 0');
  const reads = host.asked.filter(({ path }) => path.startsWith('/api/v2/custom-content?'));
  expect(reads).toHaveLength(1);
  expect(new URLSearchParams(reads[0]?.path.split('?')[1]).getAll('id')).toHaveLength(20);
});

test('“Load more” appends the next page until there is none', async () => {
  const site = emptySite();
  for (let number = 0; number < 25; number += 1) ask(site, `Question ${number}`);
  const { user } = openApp(fakeHost(site));

  await user.click(await screen.findByRole('button', { name: 'Load more' }));

  await waitFor(() => expect(titles()).toHaveLength(25));
  expect(new Set(titles()).size).toBe(25);
  expect(screen.queryByRole('button', { name: 'Load more' })).not.toBeInTheDocument();
});

test('order and filter ask the backend anew', async () => {
  const site = emptySite();
  ask(site, 'Old and loved', { score: 9, answerCount: 1 });
  ask(site, 'New and lonely', { score: 0 });
  const { user } = openApp(fakeHost(site));
  await screen.findByText('Old and loved');
  expect(titles()).toEqual(['New and lonely', 'Old and loved']);

  await user.click(screen.getByRole('radio', { name: 'Most votes' }));
  await waitFor(() => expect(titles()).toEqual(['Old and loved', 'New and lonely']));

  await user.click(screen.getByRole('radio', { name: 'Unanswered' }));
  await waitFor(() => expect(titles()).toEqual(['New and lonely']));
});

test('a hostile title is text', async () => {
  const site = emptySite();
  const title = '<img src=x onerror="document.title=1"> & "quotes"';
  ask(site, title);
  const { container } = openApp(fakeHost(site));

  expect(await screen.findByText(title)).toBeInTheDocument();
  expect(container.querySelector('.cq-row img')).toBeNull();
});

test('a failure says so, names the trace, and can be tried again', async () => {
  const site = emptySite();
  ask(site, 'Back again');
  const host = fakeHost(site);
  host.fault = ({ path }) =>
    path.startsWith('/api/v1/questions') ? problem(503, 'unavailable', 'Away.') : null;
  const { user } = openApp(host);

  const alert = await screen.findByRole('alert');
  expect(alert).toHaveTextContent('The questions could not be loaded');
  expect(alert).toHaveTextContent('4bf92f3577b34da6a3ce929d0e0e4736');

  host.fault = () => null;
  await user.click(within(alert).getByRole('button', { name: 'Try again' }));
  expect(await screen.findByText('Back again')).toBeInTheDocument();
});

test('names that cannot be fetched do not keep the list away', async () => {
  const site = emptySite();
  ask(site, 'Still here');
  const host = fakeHost(site);
  host.fault = ({ path }) => (path === '/api/v2/users-bulk' ? problem(500, 'x', 'x') : null);
  openApp(host);

  expect(await screen.findByText('Still here')).toBeInTheDocument();
  expect(screen.getByText('Somebody')).toBeInTheDocument();
});

test('who may not ask reads why and finds no button', async () => {
  const site = emptySite(ALICE);
  ask(site, 'A question');
  site.grants = { ...site.grants, questions: { view: true, add: false, delete: false } };
  openApp(fakeHost(site));

  expect(await screen.findByText(/permissions do not include adding questions/)).toBeInTheDocument();
  expect(screen.queryByRole('button', { name: /^Ask/ })).not.toBeInTheDocument();
});

test('moving between views follows the history of the host', async () => {
  const site = emptySite();
  const id = ask(site, 'Open me');
  const host = fakeHost(site);
  const { user } = openApp(host);

  await user.click(await screen.findByRole('button', { name: 'Open me' }));
  expect(await screen.findByRole('heading', { level: 1, name: 'Open me' })).toBeInTheDocument();
  expect(host.pushed).toEqual([`question-${id}`]);
  expect(document.activeElement).toHaveClass('cq-view');

  host.goBack('');
  expect(await screen.findByRole('heading', { level: 1, name: 'Questions' })).toBeInTheDocument();
});

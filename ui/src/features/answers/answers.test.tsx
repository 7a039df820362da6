import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { ALICE, BOB, TYPES } from '../../test/cast';
import { problem } from '../../test/fake-backend';
import { fakeHost } from '../../test/fake-host';
import { addAnswer, addPost, addQuestion, emptySite, type FakeSite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';

function questionBy(authorId: string, viewer: string) {
  const site = emptySite(viewer);
  site.mayAccept = authorId === viewer;
  const id = addPost(site, { type: TYPES.question, title: 'Why?', storage: '<p>So?</p>', authorId });
  addQuestion(site, id);
  return { site, id };
}

function answer(site: FakeSite, questionId: string, words: string, score = 0): string {
  const storage = `<p>${words}</p>`;
  const id = addPost(site, { type: TYPES.answer, title: 'Answer', storage, authorId: BOB });
  addAnswer(site, questionId, id, { score });
  return id;
}

const texts = () =>
  screen
    .queryAllByRole('article', { name: /^Answer by/ })
    .map((article) => article.querySelector('.cq-prose')?.textContent);

test('the asker accepts an answer, which moves to the top, and can undo it', async () => {
  const { site, id } = questionBy(ALICE, ALICE);
  answer(site, id, 'popular', 5);
  const right = answer(site, id, 'right', 1);
  const { user } = openApp(fakeHost(site), { view: 'question', contentId: id });
  await screen.findByText('right');
  expect(texts()).toEqual(['popular', 'right']);

  const [, second] = screen.getAllByRole('button', { name: 'Accept answer' });
  if (!second) throw new Error('There is no second answer.');
  await user.click(second);

  await waitFor(() => expect(texts()).toEqual(['right', 'popular']));
  expect(screen.getByText('Accepted')).toBeInTheDocument();
  expect(site.questions.get(id)?.acceptedAnswerIds).toEqual([right]);

  await user.click(screen.getByRole('button', { name: 'Undo accept' }));
  await waitFor(() => expect(screen.queryByText('Accepted')).not.toBeInTheDocument());
});

test('somebody else finds no way to accept', async () => {
  const { site, id } = questionBy(BOB, ALICE);
  answer(site, id, 'an answer');
  openApp(fakeHost(site), { view: 'question', contentId: id });

  await screen.findByText('an answer');
  expect(screen.queryByRole('button', { name: 'Accept answer' })).not.toBeInTheDocument();
});

test('an acceptance that is refused changes nothing and says so', async () => {
  const { site, id } = questionBy(ALICE, ALICE);
  answer(site, id, 'an answer');
  const host = fakeHost(site);
  host.fault = ({ path }) => (path.endsWith('/accepted') ? problem(409, 'conflict', 'Changed.') : null);
  const { user } = openApp(host, { view: 'question', contentId: id });

  await user.click(await screen.findByRole('button', { name: 'Accept answer' }));

  await waitFor(() => expect(host.flags).toMatchObject([{ title: 'The answer was not accepted' }]));
  expect(screen.queryByText('Accepted')).not.toBeInTheDocument();
});

test('answering writes to Confluence below the question, registers, and shows the answer', async () => {
  const { site, id } = questionBy(BOB, ALICE);
  const host = fakeHost(site);
  const { user, storage } = openApp(host, { view: 'question', contentId: id });

  await user.type(await screen.findByRole('textbox', { name: /^Answer/ }), 'Because `it` works.');
  await user.click(screen.getByRole('button', { name: 'Publish answer' }));

  const article = await screen.findByRole('article', { name: 'Answer by Alice Archer' });
  expect(within(article).getByText('it').tagName).toBe('CODE');
  const written = host.asked.find(({ method, path }) => method === 'POST' && path === '/api/v2/custom-content');
  expect(written?.body).toMatchObject({ type: TYPES.answer, customContentId: id });
  expect(screen.getByRole('textbox', { name: /^Answer/ })).toHaveValue('');
  expect(storage.length).toBe(0);
});

test('an answer that Confluence withholds is not shown', async () => {
  const { site, id } = questionBy(BOB, ALICE);
  answer(site, id, 'open');
  const post = site.posts.get(answer(site, id, 'withheld'));
  if (post) post.isVisible = false;
  openApp(fakeHost(site), { view: 'question', contentId: id });

  await screen.findByText('open');
  expect(texts()).toEqual(['open']);
});

test('a closed question takes no answer and says why', async () => {
  const { site, id } = questionBy(BOB, ALICE);
  const row = site.questions.get(id);
  if (row) Object.assign(row, { state: 'closed', may: { answer: false, vote: true, accept: false } });
  openApp(fakeHost(site), { view: 'question', contentId: id });

  expect(await screen.findByText(/closed, so it takes no more answers/)).toBeInTheDocument();
  expect(screen.queryByRole('button', { name: 'Publish answer' })).not.toBeInTheDocument();
});

test('a question that may not be seen looks like one that does not exist', async () => {
  openApp(fakeHost(emptySite()), { view: 'question', contentId: '4711' });

  expect(await screen.findByText('There is no such question here')).toBeInTheDocument();
});

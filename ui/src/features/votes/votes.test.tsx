import { screen, waitFor } from '@testing-library/react';
import { expect, test } from 'vitest';

import { ALICE, BOB, TYPES } from '../../test/cast';
import { problem } from '../../test/fake-backend';
import { fakeHost } from '../../test/fake-host';
import { addAnswer, addPost, addQuestion, emptySite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';

function siteWithQuestion(authorId: string) {
  const site = emptySite(ALICE);
  const id = addPost(site, { type: TYPES.question, title: 'Why?', storage: '<p>So?</p>', authorId });
  addQuestion(site, id, { score: 4 });
  return { site, id };
}

const button = () => screen.findByRole('button', { name: 'Vote for this question' });

test('a vote shows at once, is saved, and can be taken back', async () => {
  const { site, id } = siteWithQuestion(BOB);
  const { user } = openApp(fakeHost(site), { view: 'question', contentId: id });

  await user.click(await button());
  expect(await screen.findByText('Your vote is counted.')).toBeInTheDocument();
  expect(site.questions.get(id)).toMatchObject({ score: 5, myVote: 1 });
  expect(await button()).toHaveAttribute('aria-pressed', 'true');

  await user.click(await button());
  expect(await screen.findByText('Your vote is taken back.')).toBeInTheDocument();
  expect(site.questions.get(id)).toMatchObject({ score: 4, myVote: 0 });
});

test('a vote that is refused is taken back on the page, and the person is told', async () => {
  const { site, id } = siteWithQuestion(BOB);
  const host = fakeHost(site);
  let refuse: () => void = () => undefined;
  host.fault = ({ path }) =>
    path.endsWith('/vote')
      ? new Promise((resolve) => {
          refuse = () => resolve(problem(503, 'unavailable', 'Away.'));
        })
      : null;
  const { user, container } = openApp(host, { view: 'question', contentId: id });
  const score = () => container.querySelector('.cq-vote__score')?.firstChild?.textContent;

  await user.click(await button());
  expect(score()).toBe('5');
  refuse();

  await waitFor(() => expect(score()).toBe('4'));
  expect(await button()).toHaveAttribute('aria-pressed', 'false');
  expect(host.flags).toMatchObject([{ kind: 'error', title: 'Your vote was not saved' }]);
});

test('on their own post a person finds a reason instead of a vote', async () => {
  const { site, id } = siteWithQuestion(ALICE);
  const host = fakeHost(site);
  const { user } = openApp(host, { view: 'question', contentId: id });

  const own = await button();
  await user.click(own);

  expect(own).toHaveAttribute('aria-disabled', 'true');
  expect(own).toHaveAccessibleDescription('You cannot vote on your own post.');
  expect(host.asked.filter(({ path }) => path.endsWith('/vote'))).toEqual([]);
});

test('without the right to see votes no score is shown, also after voting', async () => {
  const { site, id } = siteWithQuestion(BOB);
  const row = site.questions.get(id);
  delete row?.score;
  delete row?.myVote;
  const { user, container } = openApp(fakeHost(site), { view: 'question', contentId: id });

  await user.click(await button());
  await screen.findByText('Your vote is counted.');

  expect(container.querySelector('.cq-vote__score')).toBeNull();
});

test('the asker may vote on answers to their question', async () => {
  const { site, id } = siteWithQuestion(ALICE);
  const answer = addPost(site, { type: TYPES.answer, title: 'A', storage: '<p>So.</p>', authorId: BOB });
  addAnswer(site, id, answer);
  const { user } = openApp(fakeHost(site), { view: 'question', contentId: id });

  await user.click(await screen.findByRole('button', { name: 'Vote for this answer' }));

  expect(await screen.findByText('Your vote is counted.')).toBeInTheDocument();
  expect(site.answers.get(answer)).toMatchObject({ myVote: 1 });
});

test.each([
  [0, { add: false, delete: true }, /may not vote in this space/],
  [1, { add: true, delete: false }, /may not take votes back/],
])('with vote %i and the rights %j the button says why it does nothing', async (myVote, rights, reason) => {
  const { site, id } = siteWithQuestion(BOB);
  site.grants = { ...site.grants, votes: { view: true, ...rights } };
  const row = site.questions.get(id);
  if (row) row.myVote = myVote;
  openApp(fakeHost(site), { view: 'question', contentId: id });

  expect(await button()).toHaveAccessibleDescription(reason);
});

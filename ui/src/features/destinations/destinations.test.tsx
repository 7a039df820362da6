import { screen, waitFor, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import { ALICE, CAROL } from '../../test/cast';
import { answer } from '../../test/fake-backend';
import { fakeHost } from '../../test/fake-host';
import { emptySite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';
import { EMPTY_DESTINATION, fieldProblems, problemsOf, toRequest } from './new-destination';
import { outcomeWords } from './outcome-words';

const URL_OF_WORKFLOW = 'https://prod-12.westeurope.logic.azure.com/workflows/abc?sig=secretx9Qa';

function carolsSite() {
  const site = emptySite(CAROL);
  site.isAdministrator = true;
  return site;
}

async function add(user: ReturnType<typeof openApp>['user'], label: string, url: string) {
  await user.click(await screen.findByRole('button', { name: 'Add destination' }));
  const form = within(screen.getByRole('form', { name: 'Add a Teams destination' }));
  if (label) await user.type(form.getByLabelText(/^Name/), label);
  if (url) await user.type(form.getByLabelText(/^Workflow address/), url);
  await user.click(form.getByRole('button', { name: 'Add destination' }));
  return form;
}

test('who is no administrator reads so, and nothing is asked of the backend', async () => {
  const host = fakeHost(emptySite(ALICE));
  openApp(host, { view: 'admin' });

  expect(await screen.findByText('This page is for Confluence administrators')).toBeInTheDocument();
  expect(host.asked.some(({ path }) => path.includes('destinations'))).toBe(false);
});

test('a destination is added, and its address is not shown again', async () => {
  const site = carolsSite();
  const { user, container } = openApp(fakeHost(site), { view: 'admin' });

  await add(user, 'Help channel', URL_OF_WORKFLOW);

  expect(await screen.findByRole('rowheader', { name: /Help channel/ })).toHaveTextContent('…x9Qa');
  expect(container.innerHTML).not.toContain('sig=secret');
  expect([...site.destinations.values()]).toMatchObject([
    { scope: { kind: 'site' }, events: ['asked', 'answered', 'accepted'], disclosure: 'link' },
  ]);
});

test('empty fields are named before anything is sent', async () => {
  const host = fakeHost(carolsSite());
  const { user } = openApp(host, { view: 'admin' });

  const form = await add(user, '', '');

  expect(form.getByLabelText(/^Name/)).toHaveAccessibleDescription(/Give the destination a name/);
  expect(form.getByLabelText(/^Workflow address/)).toBeInvalid();
  expect(host.asked.some(({ method, path }) => method === 'POST' && path.includes('destinations'))).toBe(false);
});

test("the backend's problem stands beside the field it is about, and what was typed stays", async () => {
  const { user } = openApp(fakeHost(carolsSite()), { view: 'admin' });

  const form = await add(user, 'Help channel', 'https://example.org/hook');

  await waitFor(() =>
    expect(form.getByLabelText(/^Workflow address/)).toHaveAccessibleDescription(/The address is not that of a Teams workflow\./),
  );
  expect(form.getByLabelText(/^Name/)).toHaveValue('Help channel');
});

test('a test says in words what came of it; disabling and deleting work', async () => {
  const site = carolsSite();
  const host = fakeHost(site);
  const { user } = openApp(host, { view: 'admin' });
  await add(user, 'Help channel', URL_OF_WORKFLOW);

  await user.click(await screen.findByRole('button', { name: 'Send a test to Help channel' }));
  expect(await screen.findByText('Handed over to Teams')).toBeInTheDocument();

  host.fault = ({ path }) =>
    path.endsWith('/test') ? answer(200, { outcome: 'gone', httpStatus: 404, detail: '' }) : null;
  await user.click(screen.getByRole('button', { name: 'Send a test to Help channel' }));
  expect(await screen.findByText(/Teams knows no workflow at this address/)).toBeInTheDocument();

  await user.click(screen.getByRole('button', { name: 'Disable Help channel' }));
  expect(await screen.findByText('Disabled')).toBeInTheDocument();

  await user.click(screen.getByRole('button', { name: 'Delete Help channel' }));
  const dialog = await screen.findByRole('dialog');
  await user.click(within(dialog).getByRole('button', { name: 'Delete' }));
  expect(await screen.findByText('No channel hears of your questions yet')).toBeInTheDocument();
  expect(site.destinations.size).toBe(0);
});

test.each([
  [{ label: ' ' }, 'label'],
  [{ label: 'x'.repeat(81) }, 'label'],
  [{ url: 'not an address' }, 'url'],
  [{ events: [] }, 'events'],
])('the draft with %j has a problem with %s', (part, field) => {
  const draft = { ...EMPTY_DESTINATION, label: 'Help', url: URL_OF_WORKFLOW, ...part };

  expect(Object.keys(problemsOf(draft))).toEqual([field]);
});

test('the request names events in one order and the space by its id', () => {
  const draft = { ...EMPTY_DESTINATION, label: ' Help ', url: ` ${URL_OF_WORKFLOW} `, spaceId: '65537' };

  expect(toRequest({ ...draft, events: ['accepted', 'asked'] })).toMatchObject({
    label: 'Help',
    url: URL_OF_WORKFLOW,
    scope: { kind: 'space', spaceId: '65537' },
    events: ['asked', 'accepted'],
  });
});

test('pointers of any depth find their field; foreign ones are left to the notice', () => {
  const problems = [
    { pointer: '#/url', detail: 'must be https.' },
    { pointer: '/scope/spaceId', detail: 'is unknown' },
    { pointer: '/kind', detail: 'is unknown' },
    { parameter: 'x', detail: 'is unknown' },
  ];

  expect(fieldProblems(problems)).toEqual({
    url: 'The address must be https.',
    spaceId: 'The space is unknown.',
  });
});

test('an outcome without a status repeats what is known', () => {
  const words = outcomeWords({ outcome: 'retry', httpStatus: null, detail: 'No answer within 10 s.' });

  expect(words).toMatchObject({ tone: 'warning', detail: 'No answer within 10 s.' });
});

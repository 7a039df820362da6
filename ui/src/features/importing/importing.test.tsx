import axe from 'axe-core';
import { screen, waitFor } from '@testing-library/react';
import { expect, test } from 'vitest';

import { ALICE, CAROL } from '../../test/cast';
import { answer, problem } from '../../test/fake-backend';
import { type Asked, fakeHost } from '../../test/fake-host';
import { emptySite } from '../../test/fake-site';
import { openApp } from '../../test/open-app';

const FILE = JSON.stringify([
  {
    id: 1,
    title: 'How do we ship?',
    body: '<p>With <script>alert(1)</script>care</p>',
    author: 'alice',
    dateAsked: '2019-03-04',
    votes: { up: 3 },
    answers: [{ id: 2, body: '<p>So</p>', author: 'anna', dateAnswered: '2019-03-05', accepted: true }],
  },
]);

function carolsHost() {
  const site = emptySite(CAROL);
  site.isAdministrator = true;
  const host = fakeHost(site);
  const known = new Map<string, string>();
  const refused = new Set<string>();
  host.fault = ({ path, method, body }: Asked) => {
    if (path.endsWith('/imports/known')) {
      const { sources } = body as { sources: string[] };
      const items = sources.flatMap((source) => (known.has(source) ? [{ source, contentId: known.get(source) }] : []));
      return answer(200, { items });
    }
    if (method !== 'POST' || !path.includes('/imports/')) return null;
    const { source, contentId } = body as { source: string; contentId: string };
    if (refused.has(source)) return problem(403, 'forbidden', 'You may not add tags in this space.');
    known.set(source, contentId);
    return answer(201, { contentId, votes: 0, droppedVotes: [], isAccepted: false });
  };
  return { host, site, known, refused };
}

async function check(user: ReturnType<typeof openApp>['user'], file: File, map?: File) {
  await user.click(await screen.findByRole('button', { name: 'Start an import' }));
  await user.click(await screen.findByLabelText(/^Space/));
  await user.click(await screen.findByText('Engineering'));
  await user.upload(screen.getByLabelText(/^File/), file);
  if (map) await user.upload(screen.getByLabelText(/^Account map/), map);
  await user.click(screen.getByRole('button', { name: 'Check the file' }));
}

const exported = (text = FILE) => new File([text], 'export.json', { type: 'application/json' });

test('the loss is shown before anything is written, then every post is imported', async () => {
  const { host, site, known } = carolsHost();
  const { user } = openApp(host, { view: 'admin' });

  await check(user, exported(), new File([`alice,${ALICE}`, '\n', `user,${ALICE}`], 'map.csv'));

  expect(await screen.findByText(/1 question, 1 answer and 0 comments will be/)).toBeInTheDocument();
  expect(screen.getByText(/3 votes in the file name no voter/)).toBeInTheDocument();
  expect(screen.getByText(/1 person without an account here/)).toBeInTheDocument();
  expect(site.posts.size).toBe(0);

  await user.click(screen.getByRole('button', { name: 'Import 2 posts' }));

  expect(await screen.findByRole('heading', { name: 'Finished' })).toBeInTheDocument();
  expect([...known.keys()]).toEqual(['datacenter:question:1', 'datacenter:answer:2']);
  expect([...site.posts.values()].map(({ storage }) => storage)).toEqual(['<p>With care</p>', '<p>So</p>']);
  const taken = host.asked.find(({ path }) => path.endsWith('/imports/questions'))?.body;
  expect(taken).toMatchObject({ author: { accountId: ALICE }, createdAt: '2019-03-04T00:00:00.000Z' });
  const sent = JSON.stringify(host.asked.filter(({ path }) => path.startsWith('/api/v1')));
  // Neither the file nor a text of it goes to the backend.
  expect(sent).not.toContain('care');
  expect(sent).not.toContain('ship');
});

test('a refused post is listed with its reason and can be tried again', async () => {
  const { host, site, refused } = carolsHost();
  refused.add('datacenter:answer:2');
  const { user } = openApp(host, { view: 'admin' });
  await check(user, exported());
  await user.click(await screen.findByRole('button', { name: 'Import 2 posts' }));

  expect(await screen.findByText(/datacenter:answer:2: You may not add tags in this space/)).toBeInTheDocument();
  refused.clear();
  await user.click(screen.getByRole('button', { name: 'Try what is missing again' }));

  await waitFor(() => expect(screen.getByRole('status')).toHaveTextContent('Finished: 2 of 2 posts, 1 of them imported before'));
  expect(site.posts.size).toBe(2);
});

test('a run is paused and goes on', async () => {
  const { host, known } = carolsHost();
  const { user } = openApp(host, { view: 'admin' });
  await check(user, exported());
  let release: (value: null) => void = () => undefined;
  const usual = host.fault;
  host.fault = (call) => {
    if (!call.path.endsWith('/imports/questions')) return usual(call);
    return new Promise<null>((resolve) => {
      release = resolve;
    }).then(() => usual(call));
  };
  await user.click(await screen.findByRole('button', { name: 'Import 2 posts' }));
  await user.click(await screen.findByRole('button', { name: 'Pause' }));
  release(null);

  expect(await screen.findByRole('heading', { name: 'Paused' })).toBeInTheDocument();
  await waitFor(() => expect(known.size).toBe(1));
  await user.click(screen.getByRole('button', { name: 'Go on' }));
  expect(await screen.findByRole('heading', { name: 'Finished' })).toBeInTheDocument();
  expect(known.size).toBe(2);
});

test('what was imported before is told by the dry run', async () => {
  const { host, known } = carolsHost();
  known.set('datacenter:question:1', '77');
  const { user } = openApp(host, { view: 'admin' });

  await check(user, exported());

  expect(await screen.findByText(/1 post of them were imported before/)).toBeInTheDocument();
});

test('a file that cannot be read says why, and the form stays', async () => {
  const { host } = carolsHost();
  const { user } = openApp(host, { view: 'admin' });

  await check(user, exported('{"questions": ['));

  expect(await screen.findByText(/not valid JSON/)).toBeInTheDocument();
  expect(screen.getByRole('form', { name: 'Import questions' })).toBeInTheDocument();
});

test('space and file are asked for before anything is read', async () => {
  const { host } = carolsHost();
  const { user } = openApp(host, { view: 'admin' });
  await user.click(await screen.findByRole('button', { name: 'Start an import' }));
  await user.click(await screen.findByRole('button', { name: 'Check the file' }));

  expect(screen.getByLabelText(/^File/)).toHaveAccessibleDescription(/never uploaded.*Choose the file/);
  expect(screen.getByText('Choose the space that the questions go into.')).toBeInTheDocument();
});

test('who is no administrator finds no importer', async () => {
  openApp(fakeHost(emptySite(ALICE)), { view: 'admin' });

  await screen.findByText('This page is for Confluence administrators');
  expect(screen.queryByRole('button', { name: 'Start an import' })).not.toBeInTheDocument();
});

test('form, report and end are accessible', async () => {
  const { host, refused } = carolsHost();
  refused.add('datacenter:answer:2');
  const { user, container } = openApp(host, { view: 'admin' });
  const faults = async () => (await axe.run(container, { rules: { 'color-contrast': { enabled: false } } })).violations.map(({ id }) => id);
  await user.click(await screen.findByRole('button', { name: 'Start an import' }));
  await screen.findByLabelText(/^File/);
  expect(await faults()).toEqual([]);

  await user.click(screen.getByLabelText(/^Space/));
  await user.click(await screen.findByText('Engineering'));
  await user.upload(screen.getByLabelText(/^File/), exported());
  await user.click(screen.getByRole('button', { name: 'Check the file' }));
  const start = await screen.findByRole('button', { name: 'Import 2 posts' });
  expect(await faults()).toEqual([]);

  await user.click(start);
  await screen.findByRole('button', { name: 'Try what is missing again' });
  expect(await faults()).toEqual([]);
});

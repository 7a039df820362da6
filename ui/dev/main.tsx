/**
 * The front end on a fake site. Address parameters: `view` (questions, question, ask, admin), `state`
 * (full, empty, many, error, loading, unregistered, readonly), `theme` (light, dark), `as` (alice, bob, carol).
 */
import '../src/flags';
import '@atlaskit/css-reset';
import 'virtual:ads-theme.css';
import '../src/app.css';
import './dev.css';

import { createRoot } from 'react-dom/client';

import { App } from '../src/app';
import type { HostBridge } from '../src/host/bridge';
import type { StartView } from '../src/host/page';
import { browserStorage } from '../src/shared/browser-storage';
import { ALICE, BOB, CAROL, TYPES } from '../src/test/cast';
import { problem } from '../src/test/fake-backend';
import { CONTEXT, fakeHost } from '../src/test/fake-host';
import { addPost, addQuestion, emptySite } from '../src/test/fake-site';
import { addSampleDestinations, sampleSite } from './sample';

const parameters = new URLSearchParams(window.location.search);
const chosen = (name: string, fallback: string) => parameters.get(name) ?? fallback;

const PEOPLE: Readonly<Record<string, string>> = { alice: ALICE, bob: BOB, carol: CAROL };
const state = chosen('state', 'full');
const view = chosen('view', 'questions') as StartView;

const accountId = PEOPLE[chosen('as', 'alice')] ?? ALICE;
const site = state === 'empty' ? emptySite(accountId) : sampleSite(accountId);
site.isAdministrator = accountId === CAROL;
if (state !== 'empty') addSampleDestinations(site);
if (state === 'many') {
  for (let number = 1; number <= 60; number += 1) {
    const post = { type: TYPES.question, title: `Older question ${number}`, storage: '<p>…</p>', authorId: BOB };
    addQuestion(site, addPost(site, post), { createdAt: new Date(1.7e12 - number * 3.6e6).toISOString() });
  }
}
if (state === 'readonly') {
  const none = { view: true, add: false, delete: false };
  site.grants = { ...site.grants, questions: none, tags: none, votes: { ...none, view: false } };
  for (const question of site.questions.values()) {
    question.may = { ...question.may, answer: false, vote: false, accept: false };
    delete question.score;
  }
}

const host = fakeHost(site, { ...CONTEXT, contentId: parameters.get('id') ?? '1001' });
host.fault = ({ method, path }) => {
  const isFirst = path === '/api/v1/me';
  if (state === 'loading' && !isFirst) return new Promise(() => undefined);
  if (state === 'error' && !isFirst && path.startsWith('/api/v1')) {
    return problem(503, 'unavailable', 'The database is away.');
  }
  if (state === 'unregistered' && method === 'POST' && path.startsWith('/api/v1/questions')) {
    return problem(503, 'unavailable', 'The database is away.');
  }
  return null;
};
const bridge: HostBridge = {
  ...host,
  flag: ({ kind, title, body }) => {
    // The development page has no host to show flags; the console stands in for it.
    // eslint-disable-next-line no-console
    console.info(`[flag ${kind}] ${title} ${body ?? ''}`);
  },
};

const theme = chosen('theme', 'light');
document.documentElement.dataset.colorMode = theme;
document.documentElement.dataset.theme = 'light:light dark:dark';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root element.');
createRoot(root).render(
  <App bridge={bridge} page={{ view, context: await host.context() }} storage={browserStorage(window)} />,
);

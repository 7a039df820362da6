/** A site with enough in it to look at. */
import { ALICE, BOB, CAROL, TYPES } from '../src/test/cast';
import { addAnswer, addPost, addQuestion, emptySite, type FakeSite } from '../src/test/fake-site';

const HOUR = 3_600_000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR).toISOString();

const BODY = `<p>Since the move to the new cluster my <code>kubectl</code> context points at the <strong>old</strong> API server, and every call ends with a certificate error.</p>
<p>What I have tried:</p><ul><li><p>Deleting <code>~/.kube/config</code> and logging in again</p></li><li><p>Following <a href="https://kubernetes.io/docs/tasks/">the official guide</a></p></li></ul>
<ac:structured-macro ac:name="code" ac:schema-version="1"><ac:parameter ac:name="language">bash</ac:parameter><ac:plain-text-body><![CDATA[$ kubectl get pods -n staging
error: x509: certificate signed by unknown authority]]></ac:plain-text-body></ac:structured-macro>
<blockquote><p>Contexts are renewed every night, says the hand-over page.</p></blockquote>
<ac:structured-macro ac:name="jira"><ac:parameter ac:name="key">ENG-12</ac:parameter></ac:structured-macro>`;

const QUESTIONS: readonly [string, string, string[], number, number, number, number][] = [
  ['How do I get access to the staging cluster?', ALICE, ['kubernetes', 'staging', 'access'], 7, 3, 1, 2],
  ['Which feature flags may I switch without asking the release team?', BOB, ['releases'], 3, 1, 0, 5],
  ['Flaky end-to-end tests since the browser update: known problem or new?', CAROL, ['testing', 'ci'], 0, 0, 0, 9],
  ['What is our rule for naming database migrations?', ALICE, ['database', 'conventions'], 12, 2, 1, 30],
  ['Is <script>alert(1)</script> in a title shown as text?', BOB, ['security'], 1, 0, 0, 52],
  ['Where do the nightly performance figures come from, and who looks at them when they get worse over a weekend without anybody on duty?', CAROL, [], 5, 4, 0, 170],
  ['How long do we keep build artifacts?', ALICE, ['ci', 'storage'], 2, 1, 1, 800],
];

export function sampleSite(accountId: string = ALICE): FakeSite {
  const site = emptySite(accountId);
  for (const [title, authorId, tags, score, answers, accepted, hours] of QUESTIONS) {
    const id = addPost(site, { type: TYPES.question, title, storage: BODY, authorId });
    addQuestion(site, id, { tags, score, createdAt: ago(hours) });
    for (let index = 0; index < answers; index += 1) {
      const answerId = addPost(site, {
        type: TYPES.answer,
        title: `Answer: ${title}`,
        storage:
          index === 0
            ? '<p>Log in with the new issuer, then fetch the context again:</p><ac:structured-macro ac:name="code"><ac:plain-text-body><![CDATA[acme login --issuer staging-2\nacme kube context staging]]></ac:plain-text-body></ac:structured-macro><p>The old certificate authority was retired on Monday.</p>'
            : '<p>This worked for me too, after a restart of the agent. If it still fails, ask in the platform channel: they can see the login attempts.</p>',
        authorId: index === 1 ? ALICE : BOB,
      });
      const isAccepted = index < accepted;
      addAnswer(site, id, answerId, {
        score: 5 - index * 2,
        createdAt: ago(hours / (index + 2)),
        acceptedAt: isAccepted ? ago(hours / 3) : null,
        acceptedById: isAccepted ? ALICE : null,
        myVote: isAccepted ? 1 : 0,
      });
    }
  }
  return site;
}

export function addSampleDestinations(site: FakeSite): void {
  const rest = { kind: 'teams' as const, createdAt: ago(900) };
  site.destinations.set('1', {
    ...rest, id: '1', label: 'Engineering help', scope: { kind: 'space', spaceId: '65537' },
    events: ['asked', 'answered', 'accepted'], disclosure: 'title', state: 'active', disabledReason: null,
    endpoint: { host: 'prod-12.westeurope.logic.azure.com', ending: 'x9Qa' }, lastDeliveredAt: ago(3),
  });
  site.destinations.set('2', {
    ...rest, id: '2', label: 'All questions', scope: { kind: 'site' }, events: ['asked'],
    disclosure: 'link', state: 'active', disabledReason: null,
    endpoint: { host: 'prod-03.westeurope.logic.azure.com', ending: 'B7k2' }, lastDeliveredAt: null,
  });
  site.destinations.set('3', {
    ...rest, id: '3', label: 'Old project channel', scope: { kind: 'space', spaceId: '65538' },
    events: ['asked', 'voted'], disclosure: 'link', state: 'disabled',
    disabledReason: 'The workflow no longer exists.',
    endpoint: { host: 'a1b2.environment.api.powerplatform.com', ending: 'mm0p' }, lastDeliveredAt: ago(700),
  });
}

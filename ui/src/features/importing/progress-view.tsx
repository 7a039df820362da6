/** A running import: how far it is, what failed, and the ways to pause it, to go on and to try again. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import SectionMessage from '@atlaskit/section-message';

import type { Progress } from './run';
import type { RunState } from './use-import';
import { plural, voteReason } from './words';

const STATE_WORDS: Readonly<Record<RunState, string>> = {
  running: 'Importing',
  paused: 'Paused',
  finished: 'Finished',
  broken: 'Broken off',
};

const ERRORS_SHOWN = 50;

function Errors({ progress }: { readonly progress: Progress }) {
  const { errors } = progress;
  if (errors.length === 0) return null;
  return (
    <SectionMessage appearance="warning" title={`${plural(errors.length, 'post')} could not be imported`}>
      <ul>
        {errors.slice(0, ERRORS_SHOWN).map(({ source, message, traceId }) => (
          <li key={source}>
            {source}: {message} {traceId && <code>{traceId}</code>}
          </li>
        ))}
      </ul>
      {errors.length > ERRORS_SHOWN && <p className="cq-notice__text">The report lists all of them.</p>}
    </SectionMessage>
  );
}

function Votes({ progress }: { readonly progress: Progress }) {
  const dropped = Object.entries(progress.droppedVotes);
  return (
    <>
      <p>
        {plural(progress.votes, 'vote')} and {plural(progress.comments, 'comment')} kept.
      </p>
      {dropped.length > 0 && (
        <ul>
          {dropped.map(([reason, count]) => (
            <li key={reason}>
              {plural(count, 'vote')} left out: {voteReason(reason)}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

interface Props {
  readonly progress: Progress;
  readonly state: RunState;
  readonly problem: string | null;
  readonly onPause: () => void;
  readonly onResume: () => void;
  readonly onRetry: () => void;
  readonly onReport: () => void;
  readonly onLeave: () => void;
}

export function ProgressView({ progress, state, problem, onPause, onResume, onRetry, onReport, onLeave }: Props) {
  const { done, total, skipped, errors, leftOver } = progress;
  const isOver = state === 'finished' || state === 'broken';
  return (
    <section aria-labelledby="cq-run-title">
      <Heading size="small" as="h3" id="cq-run-title">
        {STATE_WORDS[state]}
      </Heading>
      <progress aria-label="Posts imported" max={Math.max(total, 1)} value={done} />
      <p role="status">
        {STATE_WORDS[state]}: {done} of {plural(total, 'post')}
        {skipped > 0 && `, ${skipped} of them imported before`}
        {errors.length > 0 && `, ${plural(errors.length, 'failure')}`}
      </p>
      {!isOver && <p>Keep this page open. Closing it breaks the import off; start it again with the same file to go on.</p>}
      {problem && (
        <SectionMessage appearance="error" title="The import cannot go on">
          <p className="cq-notice__text">{problem}</p>
        </SectionMessage>
      )}
      <Errors progress={progress} />
      {leftOver.length > 0 && (
        <SectionMessage appearance="warning" title="Content that is there twice">
          <p className="cq-notice__text">Somebody else imported the same posts. Delete the content with these ids: {leftOver.join(', ')}</p>
        </SectionMessage>
      )}
      <Votes progress={progress} />
      <div className="cq-form__actions">
        {state === 'running' && <Button onClick={onPause}>Pause</Button>}
        {state === 'paused' && (
          <Button appearance="primary" onClick={onResume}>
            Go on
          </Button>
        )}
        {isOver && (errors.length > 0 || state === 'broken') && (
          <Button appearance="primary" onClick={onRetry}>
            Try what is missing again
          </Button>
        )}
        {isOver && <Button onClick={onReport}>Download the report</Button>}
        {isOver && (
          <Button appearance="subtle" onClick={onLeave}>
            Import another file
          </Button>
        )}
      </div>
    </section>
  );
}

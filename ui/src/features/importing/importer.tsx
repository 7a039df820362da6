/** The importer: choose, see what would be lost, then run. Nothing is written before the loss report was shown. */
import Button from '@atlaskit/button/new';
import SectionMessage from '@atlaskit/section-message';
import { useCallback } from 'react';

import { useServices } from '../../api/services';
import { useLoad } from '../../api/use-load';
import { ProblemNotice } from '../../shared/notice';
import { RowSkeletons } from '../../shared/skeletons';
import { ImportForm } from './import-form';
import { LossView } from './loss-view';
import { postCount } from './plan';
import { ProgressView } from './progress-view';
import { download, reportOf } from './report-file';
import { type Prepared, useImport } from './use-import';
import { plural } from './words';

const REPORT_NAME = 'import-report.json';

interface DryRunProps {
  readonly prepared: Prepared;
  readonly onStart: () => void;
  readonly onBack: () => void;
}

function DryRun({ prepared, onStart, onBack }: DryRunProps) {
  const { plan, knownBefore, mapNotes } = prepared;
  return (
    <>
      <LossView loss={plan.loss} />
      {mapNotes.length > 0 && (
        <SectionMessage appearance="warning" title="The account map has problems">
          <ul>
            {mapNotes.slice(0, 50).map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </SectionMessage>
      )}
      {knownBefore !== null && knownBefore > 0 && (
        <p>{plural(knownBefore, 'post')} of them were imported before and will be skipped.</p>
      )}
      <p>
        Votes of people who may not vote in the space now are left out as well; the report after the import counts them. Nothing
        has been written so far.
      </p>
      <div className="cq-form__actions">
        <Button appearance="primary" onClick={onStart}>
          {`Import ${plural(postCount(plan), 'post')}`}
        </Button>
        <Button onClick={() => download(REPORT_NAME, reportOf(plan.loss, null))}>Download the report</Button>
        <Button appearance="subtle" onClick={onBack}>
          Choose another file
        </Button>
      </div>
    </>
  );
}

export function Importer() {
  const { confluence } = useServices();
  const load = useCallback(() => confluence.spaces(), [confluence]);
  const { data: spaces, failure, reload } = useLoad(load);
  const { preparation, run } = useImport();
  const { prepared } = preparation;

  if (failure) {
    return <ProblemNotice title="The spaces could not be loaded" message={failure.message} traceId={failure.traceId} onRetry={reload} />;
  }
  if (!spaces) return <RowSkeletons />;
  if (prepared && run.progress) {
    const { progress } = run;
    return (
      <ProgressView
        progress={progress}
        state={run.state}
        problem={run.problem}
        onPause={run.pause}
        onResume={run.resume}
        onRetry={() => void run.start(prepared)}
        onReport={() => download(REPORT_NAME, reportOf(prepared.plan.loss, progress))}
        onLeave={() => {
          run.forget();
          preparation.forget();
        }}
      />
    );
  }
  if (prepared) {
    return <DryRun prepared={prepared} onStart={() => void run.start(prepared)} onBack={preparation.forget} />;
  }
  return (
    <>
      {preparation.problem && <ProblemNotice title="The file cannot be imported" message={preparation.problem} />}
      <ImportForm spaces={spaces} isBusy={preparation.isBusy} onCheck={(choices) => void preparation.check(choices)} />
    </>
  );
}

/** The questions of a space: order, filter, rows, and the way to ask. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import { useCallback, useState } from 'react';

import { useServices } from '../../api/services';
import type { Grants, QuestionOrder } from '../../api/types';
import { useLoad } from '../../api/use-load';
import { Choice } from '../../shared/choice';
import { EmptyNotice, ProblemNotice } from '../../shared/notice';
import { RowSkeletons } from '../../shared/skeletons';
import { askRefusal } from './ask-refusal';
import { QuestionRow } from './question-row';
import { type QuestionList as Questions, useQuestions } from './use-questions';

const ORDERS = [
  { value: 'newest', label: 'Newest' },
  { value: 'votes', label: 'Most votes' },
] as const;

const FILTERS = [
  { value: 'all', label: 'All' },
  { value: 'unanswered', label: 'Unanswered' },
] as const;

type Filter = (typeof FILTERS)[number]['value'];

interface AskProps {
  readonly grants: Grants | null;
  readonly onAsk: () => void;
}

/** While the grants are unknown nothing is offered: a button that then vanishes misleads. */
function AskEntry({ grants, onAsk }: AskProps) {
  if (!grants) return null;
  if (grants.questions.add) {
    return (
      <Button appearance="primary" onClick={onAsk}>
        Ask a question
      </Button>
    );
  }
  return <p className="cq-head__reason">You cannot ask here. {askRefusal(grants)}</p>;
}

interface RowsProps {
  readonly questions: Questions;
  readonly isFiltered: boolean;
  readonly mayAsk: boolean;
  readonly onOpen: (id: string) => void;
  readonly onAsk: () => void;
  readonly onClearFilter: () => void;
}

function NoQuestions({ isFiltered, mayAsk, onAsk, onClearFilter }: RowsProps) {
  if (isFiltered) {
    return (
      <EmptyNotice
        title="Everything here has an answer"
        action={<Button onClick={onClearFilter}>Show all questions</Button>}
      >
        No question in this space is waiting. Well done.
      </EmptyNotice>
    );
  }
  return (
    <EmptyNotice
      title="No questions yet"
      action={
        mayAsk && (
          <Button appearance="primary" onClick={onAsk}>
            Ask the first question
          </Button>
        )
      }
    >
      What would the next colleague want to know? For example: “How do I get access to the staging
      cluster?”
    </EmptyNotice>
  );
}

function Rows(props: RowsProps) {
  const { questions, onOpen } = props;
  const { data, failure, isLoadingMore, moreFailure, more, reload } = questions;
  if (!data && failure) {
    return (
      <ProblemNotice
        title="The questions could not be loaded"
        message={failure.message}
        traceId={failure.traceId}
        onRetry={reload}
      />
    );
  }
  if (!data) return <RowSkeletons />;
  if (data.rows.length === 0 && !data.next) return <NoQuestions {...props} />;
  return (
    <>
      <ul className="cq-rows">
        {data.rows.map((row) => (
          <QuestionRow key={row.question.id} row={row} onOpen={() => onOpen(row.question.id)} />
        ))}
      </ul>
      {moreFailure && (
        <ProblemNotice
          title="More questions could not be loaded"
          message={moreFailure.message}
          traceId={moreFailure.traceId}
        />
      )}
      {data.next && (
        <div className="cq-more">
          <Button isLoading={isLoadingMore} onClick={more}>
            Load more
          </Button>
        </div>
      )}
      <p className="cq-sr" role="status">
        {data.rows.length} questions shown{data.next ? ', more can be loaded' : ''}.
      </p>
    </>
  );
}

interface Props {
  readonly spaceId: string;
  readonly onOpen: (id: string) => void;
  readonly onAsk: () => void;
}

export function QuestionList({ spaceId, onOpen, onAsk }: Props) {
  const { client, confluence } = useServices();
  const [order, setOrder] = useState<QuestionOrder>('newest');
  const [filter, setFilter] = useState<Filter>('all');
  const questions = useQuestions({ spaceId, order, unansweredOnly: filter === 'unanswered' });
  const grants = useLoad(useCallback(() => client.grants(spaceId), [client, spaceId]));
  const space = useLoad(useCallback(() => confluence.space(spaceId), [confluence, spaceId]));
  const mayAsk = grants.data?.questions.add === true;
  const isFiltered = filter === 'unanswered';
  // An empty space has one thing to offer, and the notice in its middle offers it.
  const isEmpty = questions.data?.rows.length === 0 && !questions.data.next && !isFiltered;
  // Without the right to see votes the backend cannot order by them.
  const maySort = grants.data?.votes.view !== false;

  return (
    <main className="cq-page">
      <header className="cq-head">
        <div className="cq-head__titles">
          <p className="cq-head__space">{space.data?.name ?? '\u00a0'}</p>
          <Heading size="large" as="h1">
            Questions
          </Heading>
        </div>
        {!(isEmpty && mayAsk) && <AskEntry grants={grants.data} onAsk={onAsk} />}
      </header>
      {!isEmpty && (
        <div className="cq-bar">
          <Choice
            label="Which questions"
            options={FILTERS}
            value={filter}
            onChange={(chosen) => setFilter(chosen)}
          />
          {maySort && (
            <Choice
              label="Order"
              options={ORDERS}
              value={order}
              onChange={(chosen) => setOrder(chosen)}
            />
          )}
        </div>
      )}
      <Rows
        questions={questions}
        isFiltered={isFiltered}
        mayAsk={mayAsk}
        onOpen={onOpen}
        onAsk={onAsk}
        onClearFilter={() => setFilter('all')}
      />
    </main>
  );
}

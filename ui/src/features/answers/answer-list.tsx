/** The answers below a question: accepted first, then by votes, as the backend orders them. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import type { ReactNode } from 'react';

import { ProblemNotice } from '../../shared/notice';
import { PostSkeleton } from '../../shared/skeletons';
import { AnswerItem } from './answer-item';
import type { AnswerList as Answers, ReadableAnswer } from './use-answers';

interface Props {
  readonly answers: Answers;
  readonly mayAnswer: boolean;
  readonly renderVote: (item: ReadableAnswer) => ReactNode;
  readonly renderAcceptedLine: (item: ReadableAnswer) => ReactNode;
  readonly renderAcceptControl: (item: ReadableAnswer) => ReactNode;
}

function titleFor(shown: number, hasMore: boolean): string {
  if (hasMore) return `${shown}+ answers`;
  return shown === 1 ? '1 answer' : `${shown} answers`;
}

export function AnswerList(props: Props) {
  const { answers, mayAnswer, renderVote, renderAcceptedLine, renderAcceptControl } = props;
  const { data, failure, isLoadingMore, moreFailure, more, reload } = answers;

  if (!data && failure) {
    return (
      <ProblemNotice
        title="The answers could not be loaded"
        message={failure.message}
        traceId={failure.traceId}
        onRetry={reload}
      />
    );
  }
  if (!data) return <PostSkeleton what="answers" />;

  return (
    <section className="cq-answers" aria-labelledby="cq-answers-title">
      <div className="cq-answers__head" aria-live="polite">
        <Heading size="small" as="h2" id="cq-answers-title">
          {data.answers.length === 0 ? 'No answers yet' : titleFor(data.answers.length, data.next !== null)}
        </Heading>
      </div>
      {data.answers.length === 0 && mayAnswer && (
        <p className="cq-muted">Be the first to help: your answer stays here for the next person who asks.</p>
      )}
      {data.answers.map((item) => (
        <AnswerItem
          key={item.answer.id}
          item={item}
          vote={renderVote(item)}
          acceptedLine={renderAcceptedLine(item)}
          acceptControl={renderAcceptControl(item)}
        />
      ))}
      {moreFailure && (
        <ProblemNotice
          title="More answers could not be loaded"
          message={moreFailure.message}
          traceId={moreFailure.traceId}
        />
      )}
      {data.next && (
        <div className="cq-more">
          <Button isLoading={isLoadingMore} onClick={more}>
            Load more answers
          </Button>
        </div>
      )}
    </section>
  );
}

/** One question; its vote, answers and answer form are handed in. */
import Heading from '@atlaskit/heading';
import Lozenge from '@atlaskit/lozenge';
import { type ReactNode, useEffect } from 'react';

import { useServices } from '../../api/services';
import { InternalLink } from '../../shared/internal-link';
import { ProblemNotice } from '../../shared/notice';
import { nameOf } from '../../api/people';
import { Person } from '../../shared/person';
import { PostBody } from '../../shared/post-body';
import { PageSkeleton } from '../../shared/skeletons';
import { Tags } from '../../shared/tags';
import { Time } from '../../shared/time';
import type { ReadableQuestion } from './use-question';
import { useQuestion } from './use-question';

export interface QuestionSlots {
  readonly item: ReadableQuestion;
  readonly change: (change: (item: ReadableQuestion) => ReadableQuestion) => void;
  readonly reload: () => void;
}

interface Props {
  readonly id: string;
  readonly onList: () => void;
  readonly renderVote: (slots: QuestionSlots) => ReactNode;
  readonly renderBelow: (slots: QuestionSlots) => ReactNode;
}

function StateLozenge({ item }: { readonly item: ReadableQuestion }) {
  const { question } = item;
  if (question.state === 'closed') return <Lozenge appearance="neutral">Closed</Lozenge>;
  if (question.acceptedCount > 0) return <Lozenge appearance="success">Answered</Lozenge>;
  return null;
}

export function QuestionPage({ id, onList, renderVote, renderBelow }: Props) {
  const { setTitle } = useServices();
  const { data: item, failure, reload, update } = useQuestion(id);
  const title = item?.post.title;

  useEffect(() => {
    if (title) setTitle(title);
  }, [title, setTitle]);

  if (!item && failure) {
    return (
      <main className="cq-page">
        <nav aria-label="Back">
          <InternalLink onFollow={onList}>← All questions</InternalLink>
        </nav>
        <ProblemNotice
          headingLevel="h1"
          title={failure.kind === 'not-found' ? 'There is no such question here' : 'The question could not be loaded'}
          message={failure.message}
          traceId={failure.traceId}
          onRetry={reload}
        />
      </main>
    );
  }
  if (!item) return <PageSkeleton what="the question" />;

  const { question, post, author } = item;
  const slots = { item, change: update, reload };
  return (
    <main className="cq-page">
      <nav aria-label="Back">
        <InternalLink onFollow={onList}>← All questions</InternalLink>
      </nav>
      <header className="cq-question-head">
        <Heading size="large" as="h1">
          {post.title}
        </Heading>
        <div className="cq-meta">
          <StateLozenge item={item} />
          <Person name={nameOf(author, question.authorId)} pictureUrl={author?.pictureUrl ?? null} />
          <span>
            asked <Time at={question.createdAt} />
          </span>
        </div>
      </header>
      <article className="cq-post cq-post--question" aria-label="Question">
        <div className="cq-post__side">{renderVote(slots)}</div>
        <div className="cq-post__main">
          <PostBody storage={post.body ?? ''} />
          <Tags tags={question.tags} />
        </div>
      </article>
      {renderBelow(slots)}
    </main>
  );
}

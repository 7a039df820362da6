/** One answer: text, author, and the places where its vote and acceptance stand. */
import type { ReactNode } from 'react';

import { nameOf } from '../../api/people';
import { Person } from '../../shared/person';
import { PostBody } from '../../shared/post-body';
import { Time } from '../../shared/time';
import type { ReadableAnswer } from './use-answers';

interface Props {
  readonly item: ReadableAnswer;
  readonly vote: ReactNode;
  readonly acceptedLine: ReactNode;
  readonly acceptControl: ReactNode;
}

export function AnswerItem({ item, vote, acceptedLine, acceptControl }: Props) {
  const { answer, author, storage } = item;
  const name = nameOf(author, answer.authorId);
  return (
    <article
      className={answer.acceptedAt ? 'cq-post cq-answer cq-answer--accepted' : 'cq-post cq-answer'}
      aria-label={`Answer by ${name}`}
    >
      <div className="cq-post__side">{vote}</div>
      <div className="cq-post__main">
        {acceptedLine}
        <PostBody storage={storage} />
        <footer className="cq-post__foot">
          <span className="cq-meta">
            <Person name={name} pictureUrl={author?.pictureUrl ?? null} />
            <span>
              answered <Time at={answer.createdAt} />
            </span>
          </span>
          {acceptControl}
        </footer>
      </div>
    </article>
  );
}

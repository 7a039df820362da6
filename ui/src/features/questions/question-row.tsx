/** One question in the list: its figures, title, tags and author. */
import CheckMarkIcon from '@atlaskit/icon/core/check-mark';

import { InternalLink } from '../../shared/internal-link';
import { nameOf } from '../../api/people';
import { Person } from '../../shared/person';
import { Tags } from '../../shared/tags';
import { Time } from '../../shared/time';
import type { QuestionRow as Row } from './use-questions';

interface FigureProps {
  readonly count: number;
  readonly one: string;
  readonly many: string;
  readonly tone: 'plain' | 'outline' | 'accepted';
}

function Figure({ count, one, many, tone }: FigureProps) {
  return (
    <span className={`cq-figure cq-figure--${tone}`}>
      <span className="cq-figure__count">
        {tone === 'accepted' && <CheckMarkIcon label="Accepted answer," size="small" color="currentColor" />}
        {count}
      </span>
      <span className="cq-figure__unit">{count === 1 ? one : many}</span>
    </span>
  );
}

function answersTone(answers: number, accepted: number): FigureProps['tone'] {
  if (accepted > 0) return 'accepted';
  return answers > 0 ? 'outline' : 'plain';
}

interface Props {
  readonly row: Row;
  readonly onOpen: () => void;
}

export function QuestionRow({ row, onOpen }: Props) {
  const { question, title, author } = row;
  return (
    <li className="cq-row">
      <div className="cq-row__figures">
        {question.score !== undefined && (
          <Figure count={question.score} one="vote" many="votes" tone="plain" />
        )}
        <Figure
          count={question.answerCount}
          one="answer"
          many="answers"
          tone={answersTone(question.answerCount, question.acceptedCount)}
        />
      </div>
      <div className="cq-row__main">
        <h2 className="cq-row__title">
          <InternalLink className="cq-row__link" onFollow={onOpen}>
            {title}
          </InternalLink>
        </h2>
        <div className="cq-row__foot">
          <Tags tags={question.tags} />
          <span className="cq-meta">
            {question.state === 'closed' && <span>Closed</span>}
            {question.containerKind !== 'space' && <span>on a page</span>}
            <Person name={nameOf(author, question.authorId)} pictureUrl={author?.pictureUrl ?? null} />
            <span>
              asked <Time at={question.createdAt} />
            </span>
          </span>
        </div>
      </div>
    </li>
  );
}

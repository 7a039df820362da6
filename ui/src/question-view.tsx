/** A question with its votes, answers and acceptance: where the features meet. */
import { useServices } from './api/services';
import type { Answer } from './api/types';
import { AcceptControl, AcceptedLine } from './features/accepting/accept-control';
import { AnswerForm } from './features/answers/answer-form';
import { AnswerList } from './features/answers/answer-list';
import { useAnswers } from './features/answers/use-answers';
import { QuestionPage, type QuestionSlots } from './features/questions/question-page';
import { type StandingVote, VoteColumn } from './features/votes/vote-column';

function standingVoteOf({ score, myVote }: Pick<Answer, 'score' | 'myVote'>): StandingVote {
  return { score, myVote };
}

interface ThreadProps {
  readonly slots: QuestionSlots;
}

function Thread({ slots }: ThreadProps) {
  const { me } = useServices();
  const { question, post, grants } = slots.item;
  const answers = useAnswers(question.id);

  return (
    <>
      <AnswerList
        answers={answers}
        mayAnswer={question.may.answer}
        renderVote={({ answer }) => (
          <VoteColumn
            target={{ kind: 'answers', id: answer.id }}
            standing={standingVoteOf(answer)}
            isOwn={answer.authorId === me.accountId}
            rights={grants.votes}
          />
        )}
        renderAcceptedLine={({ answer, acceptedBy }) =>
          answer.acceptedAt && (
            <AcceptedLine acceptedAt={answer.acceptedAt} acceptedBy={acceptedBy?.name ?? null} />
          )
        }
        renderAcceptControl={({ answer }) => (
          <AcceptControl
            questionId={question.id}
            answerId={answer.id}
            isAccepted={answer.acceptedAt !== null}
            mayAccept={question.may.accept}
            onChange={(changed) => {
              slots.change((item) => ({ ...item, question: changed }));
              answers.reload();
            }}
          />
        )}
      />
      {question.may.answer ? (
        <AnswerForm questionId={question.id} questionTitle={post.title} onPosted={answers.reload} />
      ) : (
        <p className="cq-muted">
          {question.state === 'closed'
            ? 'This question is closed, so it takes no more answers.'
            : 'You may read this question but not answer it.'}
        </p>
      )}
    </>
  );
}

interface Props {
  readonly id: string;
  readonly onList: () => void;
}

export function QuestionView({ id, onList }: Props) {
  const { me } = useServices();
  return (
    <QuestionPage
      id={id}
      onList={onList}
      renderVote={({ item: { question, grants } }) => (
        <VoteColumn
          target={{ kind: 'questions', id }}
          standing={standingVoteOf(question)}
          isOwn={question.authorId === me.accountId}
          rights={grants.votes}
        />
      )}
      renderBelow={(slots) => <Thread slots={slots} />}
    />
  );
}

/** The column beside a post: its score, and a button that votes or takes the vote back. */
import ArrowUpIcon from '@atlaskit/icon/core/arrow-up';
import Tooltip from '@atlaskit/tooltip';
import { useId } from 'react';

import type { Grants } from '../../api/types';
import { type StandingVote, useVote, type VoteTarget } from './use-vote';

export type { StandingVote };

interface Props {
  readonly target: VoteTarget;
  readonly standing: StandingVote;
  readonly isOwn: boolean;
  /** What the person may do with votes in the post's space. */
  readonly rights: Grants['votes'];
}

function reasonAgainst(isOwn: boolean, hasVoted: boolean, rights: Grants['votes']): string | null {
  if (isOwn) return 'You cannot vote on your own post.';
  if (hasVoted && !rights.delete) {
    return 'You may not take votes back in this space. A space administrator can grant it.';
  }
  if (!hasVoted && !rights.add) {
    return 'You may not vote in this space. A space administrator can grant it.';
  }
  return null;
}

export function VoteColumn({ target, standing, isOwn, rights }: Props) {
  const vote = useVote(target, standing);
  const reasonId = useId();
  const reason = reasonAgainst(isOwn, vote.hasVoted, rights);
  const post = target.kind === 'questions' ? 'question' : 'answer';
  const hint = reason ?? (vote.hasVoted ? 'Take your vote back' : `This ${post} is useful`);

  return (
    <div className="cq-vote">
      <Tooltip content={hint} position="right" isScreenReaderAnnouncementDisabled>
        {(trigger) => (
          // A button that says why it does nothing must stay reachable, so it is not `disabled`.
          <button
            {...trigger}
            type="button"
            className="cq-vote__button"
            aria-label={`Vote for this ${post}`}
            aria-pressed={vote.hasVoted}
            aria-disabled={reason !== null}
            aria-describedby={reason ? reasonId : undefined}
            aria-busy={vote.isBusy}
            onClick={(event) => {
              trigger.onClick(event);
              if (!reason) vote.toggle();
            }}
          >
            <ArrowUpIcon label="" />
          </button>
        )}
      </Tooltip>
      {vote.score !== undefined && (
        <span className="cq-vote__score">
          {vote.score}
          <span className="cq-sr"> {vote.score === 1 ? 'vote' : 'votes'}</span>
        </span>
      )}
      {reason && (
        <span className="cq-sr" id={reasonId}>
          {reason}
        </span>
      )}
      <span className="cq-sr" role="status">
        {vote.news}
      </span>
    </div>
  );
}

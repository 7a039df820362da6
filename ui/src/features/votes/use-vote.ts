/** One person's vote on one post: shown at once, taken back when the backend refuses. */
import { useCallback, useRef, useState } from 'react';

import { asFailure } from '../../api/problem';
import { useServices } from '../../api/services';

export interface StandingVote {
  /** Absent where the person may not see scores. */
  readonly score?: number | undefined;
  readonly myVote?: number | undefined;
}

export interface VoteTarget {
  readonly kind: 'questions' | 'answers';
  readonly id: string;
}

export interface VoteHandle {
  readonly score: number | undefined;
  readonly hasVoted: boolean;
  readonly isBusy: boolean;
  /** What happened last, in words for assistive technology. */
  readonly news: string;
  readonly toggle: () => void;
}

export function useVote({ kind, id }: VoteTarget, standing: StandingVote): VoteHandle {
  const { client, flag } = useServices();
  const [shown, setShown] = useState<StandingVote>(standing);
  const [isBusy, setBusy] = useState(false);
  const [news, setNews] = useState('');
  const inFlight = useRef(false);

  const toggle = useCallback(async () => {
    if (inFlight.current) return;
    inFlight.current = true;
    setBusy(true);
    const before = shown;
    const value = before.myVote === 1 ? 0 : 1;
    const guess = before.score === undefined ? undefined : before.score + value - (before.myVote ?? 0);
    setShown({ score: guess, myVote: value });
    try {
      const vote = await client.vote(kind, id, value);
      // Without the right to see scores the backend's number is not shown either.
      setShown({ score: before.score === undefined ? undefined : vote.score, myVote: vote.value });
      setNews(value === 1 ? 'Your vote is counted.' : 'Your vote is taken back.');
    } catch (reason) {
      setShown(before);
      setNews('Your vote was not saved.');
      flag({ kind: 'error', title: 'Your vote was not saved', body: asFailure(reason).message });
    } finally {
      inFlight.current = false;
      setBusy(false);
    }
  }, [client, flag, id, kind, shown]);

  return {
    score: shown.score,
    hasVoted: shown.myVote === 1,
    isBusy,
    news,
    toggle: () => void toggle(),
  };
}

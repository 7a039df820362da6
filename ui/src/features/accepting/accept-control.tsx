/** The line that marks an accepted answer, and the button that accepts or takes it back. */
import Button from '@atlaskit/button/new';
import CheckCircleIcon from '@atlaskit/icon/core/check-circle';
import { useState } from 'react';

import { asFailure } from '../../api/problem';
import { useServices } from '../../api/services';
import type { QuestionDetail } from '../../api/types';
import { Time } from '../../shared/time';

interface LineProps {
  readonly acceptedAt: string;
  readonly acceptedBy: string | null;
}

export function AcceptedLine({ acceptedAt, acceptedBy }: LineProps) {
  return (
    <p className="cq-accepted">
      <CheckCircleIcon label="" color="currentColor" />
      <strong>Accepted</strong>
      <span className="cq-accepted__by">
        {acceptedBy ? `by ${acceptedBy} ` : ''}
        <Time at={acceptedAt} />
      </span>
    </p>
  );
}

interface Props {
  readonly questionId: string;
  readonly answerId: string;
  readonly isAccepted: boolean;
  readonly mayAccept: boolean;
  readonly onChange: (question: QuestionDetail) => void;
}

export function AcceptControl({ questionId, answerId, isAccepted, mayAccept, onChange }: Props) {
  const { client, flag } = useServices();
  const [isBusy, setBusy] = useState(false);
  if (!mayAccept) return null;

  const change = async () => {
    setBusy(true);
    try {
      onChange(await client.accept(questionId, isAccepted ? null : answerId));
    } catch (reason) {
      const title = isAccepted ? 'The answer is still accepted' : 'The answer was not accepted';
      flag({ kind: 'error', title, body: asFailure(reason).message });
    } finally {
      setBusy(false);
    }
  };

  return (
    <Button
      appearance={isAccepted ? 'subtle' : 'default'}
      spacing="compact"
      isLoading={isBusy}
      onClick={() => void change()}
    >
      {isAccepted ? 'Undo accept' : 'Accept answer'}
    </Button>
  );
}

/** What a test message's outcome means, in words for an administrator. */
import type { TestOutcome } from '../../api/types';

export interface OutcomeWords {
  readonly tone: 'success' | 'warning' | 'error';
  readonly title: string;
  readonly detail: string;
}

const ANSWERS: Readonly<Record<number, string>> = {
  400: 'Teams did not accept the message.',
  401: 'Teams refused the address: its signature is no longer valid.',
  403: 'Teams refused the address: the workflow does not allow it.',
  404: 'Teams knows no workflow at this address. It was probably deleted.',
  410: 'The workflow is gone.',
  429: 'Teams asks us to send more slowly.',
};

function sentence({ httpStatus, detail }: TestOutcome): string {
  if (httpStatus === null) return detail || 'No answer came from Teams.';
  return ANSWERS[httpStatus] ?? `Teams answered with status ${httpStatus}.`;
}

/**
 * 202 is all that Teams ever says on success: the workflow has taken the message over, and whether
 * it reached the channel is known only there.
 */
export function outcomeWords(outcome: TestOutcome): OutcomeWords {
  switch (outcome.outcome) {
    case 'delivered':
      return {
        tone: 'success',
        title: 'Handed over to Teams',
        detail: 'The workflow has taken the test message. Look into the channel to see it arrive.',
      };
    case 'gone':
      return {
        tone: 'error',
        title: 'This address does not work any more',
        detail: `${sentence(outcome)} Add the destination again with a new address.`,
      };
    default:
      return { tone: 'warning', title: 'Not delivered this time', detail: sentence(outcome) };
  }
}

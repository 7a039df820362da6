/** One destination in the table, with what may be done to it. */
import Button from '@atlaskit/button/new';
import Lozenge from '@atlaskit/lozenge';
import SectionMessage from '@atlaskit/section-message';
import { useState } from 'react';

import type { Space } from '../../api/confluence';
import { newKey } from '../../api/posting';
import { asFailure } from '../../api/problem';
import { useServices } from '../../api/services';
import type { Destination, EventKind } from '../../api/types';
import { Time } from '../../shared/time';
import { type OutcomeWords, outcomeWords } from './outcome-words';

const SHORT_EVENTS: Readonly<Record<EventKind, string>> = {
  asked: 'asked',
  answered: 'answered',
  voted: 'voted',
  accepted: 'accepted',
};

function scopeWords({ scope }: Destination, spaces: readonly Space[]): string {
  if (scope.kind === 'site') return 'Whole site';
  return spaces.find(({ id }) => id === scope.spaceId)?.name ?? 'A space you cannot see';
}

function StateCell({ destination }: { readonly destination: Destination }) {
  const isActive = destination.state === 'active';
  return (
    <div>
      <Lozenge appearance={isActive ? 'success' : 'neutral'}>{isActive ? 'Active' : 'Disabled'}</Lozenge>
      {destination.disabledReason && <p className="cq-table__note">{destination.disabledReason}</p>}
    </div>
  );
}

interface Props {
  readonly destination: Destination;
  readonly spaces: readonly Space[];
  readonly onChange: (destination: Destination) => void;
  readonly onDelete: (destination: Destination) => void;
}

export function DestinationRow({ destination, spaces, onChange, onDelete }: Props) {
  const { client, flag } = useServices();
  const [busy, setBusy] = useState<'test' | 'state' | null>(null);
  const [outcome, setOutcome] = useState<OutcomeWords | null>(null);
  const { id, label, endpoint, state } = destination;

  const test = async () => {
    setBusy('test');
    setOutcome(null);
    try {
      setOutcome(outcomeWords(await client.testDestination(id, newKey())));
    } catch (reason) {
      setOutcome({ tone: 'error', title: 'The test was not sent', detail: asFailure(reason).message });
    } finally {
      setBusy(null);
    }
  };
  const switchState = async () => {
    setBusy('state');
    try {
      onChange(await client.setDestinationState(id, state === 'active' ? 'disabled' : 'active'));
    } catch (reason) {
      flag({ kind: 'error', title: `“${label}” was not changed`, body: asFailure(reason).message });
    } finally {
      setBusy(null);
    }
  };

  return (
    <>
      <tr className="cq-table__row">
        <th scope="row" data-label="Name">
          <span className="cq-table__name">{label}</span>
          <span className="cq-table__endpoint">
            {endpoint.host} <span className="cq-table__ending">…{endpoint.ending}</span>
          </span>
        </th>
        <td data-label="Space">{scopeWords(destination, spaces)}</td>
        <td data-label="Events">{destination.events.map((kind) => SHORT_EVENTS[kind]).join(', ')}</td>
        <td data-label="Discloses">{destination.disclosure === 'link' ? 'Link only' : 'Link and title'}</td>
        <td data-label="State">
          <StateCell destination={destination} />
        </td>
        <td data-label="Last delivered">
          {destination.lastDeliveredAt ? <Time at={destination.lastDeliveredAt} /> : 'Never'}
        </td>
        <td className="cq-table__actions">
          <Button
            spacing="compact"
            isLoading={busy === 'test'}
            isDisabled={busy === 'state'}
            aria-label={`Send a test to ${label}`}
            onClick={() => void test()}
          >
            Test
          </Button>
          <Button
            spacing="compact"
            appearance="subtle"
            isLoading={busy === 'state'}
            isDisabled={busy === 'test'}
            aria-label={`${state === 'active' ? 'Disable' : 'Enable'} ${label}`}
            onClick={() => void switchState()}
          >
            {state === 'active' ? 'Disable' : 'Enable'}
          </Button>
          <Button
            spacing="compact"
            appearance="subtle"
            isDisabled={busy !== null}
            aria-label={`Delete ${label}`}
            onClick={() => onDelete(destination)}
          >
            Delete
          </Button>
        </td>
      </tr>
      {outcome && (
        <tr className="cq-table__outcome">
          <td colSpan={7}>
            <div role="status">
              <SectionMessage appearance={outcome.tone} title={outcome.title}>
                <p className="cq-notice__text">{outcome.detail}</p>
              </SectionMessage>
            </div>
          </td>
        </tr>
      )}
    </>
  );
}

/** The administrator's page: which Teams channels hear of what. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import SectionMessage from '@atlaskit/section-message';
import { type ReactNode, useCallback, useState } from 'react';

import type { Space } from '../../api/confluence';
import { asFailure } from '../../api/problem';
import { useServices } from '../../api/services';
import type { Destination } from '../../api/types';
import { useLoad } from '../../api/use-load';
import { EmptyNotice, ProblemNotice } from '../../shared/notice';
import { RowSkeletons } from '../../shared/skeletons';
import { AddDestination } from './add-destination';
import { DeleteDialog } from './delete-dialog';
import { DestinationRow } from './destination-row';

interface Setup {
  readonly destinations: readonly Destination[];
  readonly spaces: readonly Space[];
}

const COLUMNS = ['Name', 'Space', 'Events', 'Discloses', 'State', 'Last delivered'];

interface TableProps {
  readonly setup: Setup;
  readonly onChange: (destination: Destination) => void;
  readonly onDelete: (destination: Destination) => void;
}

function DestinationTable({ setup, onChange, onDelete }: TableProps) {
  return (
    <table className="cq-table">
      <caption className="cq-sr">Teams destinations</caption>
      <thead>
        <tr>
          {COLUMNS.map((column) => (
            <th scope="col" key={column}>
              {column}
            </th>
          ))}
          <th scope="col">
            <span className="cq-sr">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {setup.destinations.map((destination) => (
          <DestinationRow
            key={destination.id}
            destination={destination}
            spaces={setup.spaces}
            onChange={onChange}
            onDelete={onDelete}
          />
        ))}
      </tbody>
    </table>
  );
}

function AdministratorPage() {
  const { client, confluence, flag } = useServices();
  const load = useCallback(async (): Promise<Setup> => {
    const [{ items }, spaces] = await Promise.all([client.destinations(), confluence.spaces()]);
    return { destinations: items, spaces };
  }, [client, confluence]);
  const { data, failure, reload, update } = useLoad(load);
  const [isAdding, setAdding] = useState(false);
  const [leaving, setLeaving] = useState<Destination | null>(null);
  const [isDeleting, setDeleting] = useState(false);

  const change = (destinations: (last: readonly Destination[]) => readonly Destination[]) =>
    update((last) => ({ ...last, destinations: destinations(last.destinations) }));

  const remove = async (destination: Destination) => {
    setDeleting(true);
    try {
      await client.deleteDestination(destination.id);
      change((last) => last.filter(({ id }) => id !== destination.id));
      flag({ kind: 'success', title: `“${destination.label}” is deleted` });
    } catch (reason) {
      flag({ kind: 'error', title: 'The destination was not deleted', body: asFailure(reason).message });
    } finally {
      setDeleting(false);
      setLeaving(null);
    }
  };

  if (!data && failure) {
    return (
      <ProblemNotice
        title="The destinations could not be loaded"
        message={failure.message}
        traceId={failure.traceId}
        onRetry={reload}
      />
    );
  }
  if (!data) return <RowSkeletons />;
  const isEmpty = data.destinations.length === 0;
  return (
    <>
      {!isAdding && !isEmpty && (
        <div className="cq-bar">
          <Button appearance="primary" onClick={() => setAdding(true)}>
            Add destination
          </Button>
        </div>
      )}
      {isAdding && (
        <AddDestination
          spaces={data.spaces}
          onCancel={() => setAdding(false)}
          onAdded={(added) => {
            change((last) => [...last, added]);
            setAdding(false);
          }}
        />
      )}
      {isEmpty && !isAdding && (
        <EmptyNotice
          title="No channel hears of your questions yet"
          action={
            <Button appearance="primary" onClick={() => setAdding(true)}>
              Add destination
            </Button>
          }
        >
          Connect a Teams channel, so that people who can answer learn of a question within seconds.
        </EmptyNotice>
      )}
      {!isEmpty && (
        <DestinationTable
          setup={data}
          onChange={(changed) => change((last) => last.map((old) => (old.id === changed.id ? changed : old)))}
          onDelete={setLeaving}
        />
      )}
      <DeleteDialog
        destination={leaving}
        isBusy={isDeleting}
        onCancel={() => setLeaving(null)}
        onConfirm={(destination) => void remove(destination)}
      />
    </>
  );
}

interface PageProps {
  /** What else administrators find on this page. */
  readonly children?: ReactNode;
}

export function DestinationsPage({ children }: PageProps) {
  const { me } = useServices();
  return (
    <main className="cq-page cq-page--wide">
      <header className="cq-head">
        <div className="cq-head__titles">
          <p className="cq-head__space">Community Questions</p>
          <Heading size="large" as="h1">
            Chat destinations
          </Heading>
        </div>
      </header>
      {me.isAdministrator ? (
        <>
          <AdministratorPage />
          {children}
        </>
      ) : (
        <SectionMessage appearance="information" title="This page is for Confluence administrators">
          <p className="cq-notice__text">Ask an administrator of this site if a channel should hear of questions.</p>
        </SectionMessage>
      )}
    </main>
  );
}

/** Adding a Teams destination; its address is a secret that is never shown again. */
import Button from '@atlaskit/button/new';
import { Checkbox } from '@atlaskit/checkbox';
import Heading from '@atlaskit/heading';
import Select from '@atlaskit/select';
import TextField from '@atlaskit/textfield';
import { type FormEvent, useState } from 'react';

import type { Space } from '../../api/confluence';
import { newKey } from '../../api/posting';
import { asFailure, type Failure } from '../../api/problem';
import { useServices } from '../../api/services';
import type { Destination, Disclosure, EventKind } from '../../api/types';
import { Field } from '../../shared/field';
import { ProblemNotice } from '../../shared/notice';
import {
  type DestinationDraft,
  type DraftProblems,
  EMPTY_DESTINATION,
  EVENT_KINDS,
  EVENT_WORDS,
  fieldProblems,
  problemsOf,
  toRequest,
} from './new-destination';

interface Option {
  readonly label: string;
  readonly value: string | null;
}

const WHOLE_SITE: Option = { label: 'Whole site', value: null };

interface EventsProps {
  readonly chosen: readonly EventKind[];
  readonly problem: string | undefined;
  readonly onChange: (events: readonly EventKind[]) => void;
}

function EventChoice({ chosen, problem, onChange }: EventsProps) {
  return (
    <fieldset className="cq-field cq-fieldset" aria-describedby={problem ? 'cq-events-problem' : undefined}>
      <legend className="cq-field__label">Events</legend>
      {EVENT_KINDS.map((kind) => (
        <Checkbox
          key={kind}
          label={EVENT_WORDS[kind]}
          isChecked={chosen.includes(kind)}
          isInvalid={problem !== undefined}
          onChange={(event) =>
            onChange(
              event.currentTarget.checked ? [...chosen, kind] : chosen.filter((other) => other !== kind),
            )
          }
        />
      ))}
      {problem && (
        <p className="cq-field__problem" id="cq-events-problem">
          {problem}
        </p>
      )}
    </fieldset>
  );
}

interface DisclosureProps {
  readonly chosen: Disclosure;
  readonly onChange: (disclosure: Disclosure) => void;
}

const DISCLOSURES: readonly { value: Disclosure; label: string; detail: string }[] = [
  {
    value: 'link',
    label: 'Link only',
    detail: 'The message says what happened and links to it. It names neither title nor author nor space.',
  },
  {
    value: 'title',
    label: 'Link and title',
    detail: 'Everybody in the channel can read the titles, also those who may not see the space.',
  },
];

function DisclosureChoice({ chosen, onChange }: DisclosureProps) {
  return (
    <fieldset className="cq-field cq-fieldset">
      <legend className="cq-field__label">What a message discloses</legend>
      {DISCLOSURES.map(({ value, label, detail }) => (
        <label className="cq-radio" key={value}>
          <input
            type="radio"
            name="cq-disclosure"
            value={value}
            checked={chosen === value}
            onChange={() => onChange(value)}
          />
          <span>
            <span className="cq-radio__label">{label}</span>
            <span className="cq-radio__detail">{detail}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface Props {
  readonly spaces: readonly Space[];
  readonly onAdded: (destination: Destination) => void;
  readonly onCancel: () => void;
}

export function AddDestination({ spaces, onAdded, onCancel }: Props) {
  const { client, flag } = useServices();
  const [draft, setDraft] = useState<DestinationDraft>(EMPTY_DESTINATION);
  const [problems, setProblems] = useState<DraftProblems>({});
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const options: Option[] = [WHOLE_SITE, ...spaces.map(({ id, name }) => ({ label: name, value: id }))];

  const change = (part: Partial<DestinationDraft>) => {
    setDraft((last) => ({ ...last, ...part }));
  };

  const send = async () => {
    setBusy(true);
    try {
      const added = await client.addDestination(toRequest(draft), newKey());
      flag({ kind: 'success', title: `“${added.label}” is added`, body: 'Send a test message to see it work.' });
      onAdded(added);
    } catch (reason) {
      const refused = asFailure(reason);
      const placed = fieldProblems(refused.problems);
      setProblems(placed);
      setFailure(Object.keys(placed).length > 0 ? null : refused);
      setBusy(false);
    }
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = problemsOf(draft);
    setProblems(found);
    setFailure(null);
    if (!isBusy && Object.keys(found).length === 0) void send();
  };

  return (
    <form className="cq-form cq-panel" noValidate onSubmit={submit} aria-labelledby="cq-add-title">
      <Heading size="small" as="h2" id="cq-add-title">
        Add a Teams destination
      </Heading>
      {failure && (
        <ProblemNotice
          title="The destination was not added"
          message={failure.message}
          traceId={failure.traceId}
        />
      )}
      <Field label="Name" isRequired problem={problems.label} hint="Only administrators see it.">
        {(control) => (
          <TextField
            {...control}
            value={draft.label}
            isRequired
            isInvalid={problems.label !== undefined}
            autoComplete="off"
            placeholder="Engineering help channel"
            onChange={(event) => change({ label: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field
        label="Workflow address"
        isRequired
        problem={problems.url}
        hint="In Teams, open the channel’s Workflows and add “Post to a channel when a webhook request is received”. The address that it shows is stored encrypted and not shown again."
      >
        {(control) => (
          <TextField
            {...control}
            type="url"
            value={draft.url}
            isRequired
            isInvalid={problems.url !== undefined}
            autoComplete="off"
            spellCheck={false}
            placeholder="https://"
            onChange={(event) => change({ url: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field
        label="Space"
        problem={problems.spaceId}
        hint="A site-wide destination carries only the spaces whose administrators have switched chat on."
      >
        {(control) => (
          <Select<Option>
            inputId={control.id}
            {...(control['aria-describedby'] ? { descriptionId: control['aria-describedby'] } : {})}
            isInvalid={problems.spaceId !== undefined}
            options={options}
            value={options.find(({ value }) => value === draft.spaceId) ?? WHOLE_SITE}
            maxMenuHeight={200}
            onChange={(chosen) => change({ spaceId: chosen?.value ?? null })}
          />
        )}
      </Field>
      <EventChoice
        chosen={draft.events}
        problem={problems.events}
        onChange={(events) => change({ events })}
      />
      <DisclosureChoice chosen={draft.disclosure} onChange={(disclosure) => change({ disclosure })} />
      <div className="cq-form__actions">
        <Button type="submit" appearance="primary" isLoading={isBusy}>
          Add destination
        </Button>
        <Button appearance="subtle" isDisabled={isBusy} onClick={onCancel}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** What to import, from which file, into which space. Choosing a file reads it here and sends it nowhere. */
import Button from '@atlaskit/button/new';
import Select from '@atlaskit/select';
import TextField from '@atlaskit/textfield';
import { type FormEvent, useState } from 'react';

import type { Space } from '../../api/confluence';
import { Field } from '../../shared/field';
import { FORMATS, type Format } from './old-site';
import type { ImportChoices } from './use-import';
import { FORMAT_NAMES } from './words';

interface Option<Value> {
  readonly label: string;
  readonly value: Value;
}

const FORMAT_OPTIONS: readonly Option<Format>[] = FORMATS.map((value) => ({ label: FORMAT_NAMES[value], value }));

interface FileProps {
  readonly label: string;
  readonly hint: string;
  readonly accept: string;
  readonly isRequired?: boolean;
  readonly problem?: string | undefined;
  readonly onChange: (file: File | null) => void;
}

function FileField({ label, hint, accept, isRequired = false, problem, onChange }: FileProps) {
  return (
    <Field label={label} hint={hint} isRequired={isRequired} problem={problem}>
      {(control) => (
        <input
          {...control}
          type="file"
          accept={accept}
          aria-required={isRequired}
          onChange={(event) => onChange(event.currentTarget.files?.[0] ?? null)}
        />
      )}
    </Field>
  );
}

interface Props {
  readonly spaces: readonly Space[];
  readonly isBusy: boolean;
  readonly onCheck: (choices: ImportChoices) => void;
}

export function ImportForm({ spaces, isBusy, onCheck }: Props) {
  const [space, setSpace] = useState<Option<string> | null>(null);
  const [format, setFormat] = useState<Option<Format>>(FORMAT_OPTIONS[0] as Option<Format>);
  const [siteName, setSiteName] = useState('');
  const [file, setFile] = useState<File | null>(null);
  const [accountMap, setAccountMap] = useState<File | null>(null);
  const [isAsked, setAsked] = useState(false);
  const spaceProblem = isAsked && !space ? 'Choose the space that the questions go into.' : undefined;
  const fileProblem = isAsked && !file ? 'Choose the file to import.' : undefined;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (isBusy || !space || !file) return;
    const name = siteName.trim() || format.value;
    onCheck({ spaceId: space.value, format: format.value, siteName: name, file, accountMap });
  };

  return (
    <form className="cq-form" noValidate onSubmit={submit} aria-label="Import questions">
      <Field label="Space" isRequired problem={spaceProblem}>
        {(control) => (
          <Select<Option<string>>
            inputId={control.id}
            isInvalid={spaceProblem !== undefined}
            options={spaces.map(({ id, name }) => ({ label: name, value: id }))}
            value={space}
            maxMenuHeight={200}
            onChange={setSpace}
          />
        )}
      </Field>
      <Field label="Format">
        {(control) => (
          <Select<Option<Format>>
            inputId={control.id}
            options={FORMAT_OPTIONS}
            value={format}
            maxMenuHeight={200}
            onChange={(chosen) => chosen && setFormat(chosen)}
          />
        )}
      </Field>
      <FileField
        label="File"
        hint="It is read in this browser. The file itself is never uploaded."
        accept=".json,.jsonl,.csv,application/json,text/csv"
        isRequired
        problem={fileProblem}
        onChange={setFile}
      />
      <FileField
        label="Account map"
        hint="A CSV file of two columns: the old site’s user and the Atlassian account id. Who is not in it becomes a former user."
        accept=".csv,text/csv"
        onChange={setAccountMap}
      />
      <Field
        label="Name of the old site"
        hint="Only needed when you import from several sites. Use the same name again to go on with an import."
      >
        {(control) => (
          <TextField
            {...control}
            value={siteName}
            maxLength={60}
            autoComplete="off"
            onChange={(event) => setSiteName(event.currentTarget.value)}
          />
        )}
      </Field>
      <div className="cq-form__actions">
        <Button type="submit" appearance="primary" isLoading={isBusy}>
          Check the file
        </Button>
      </div>
    </form>
  );
}

/** A text area for Markdown with a preview that shows exactly what will be published. */
import TextArea from '@atlaskit/textarea';
import { useEffect, useState } from 'react';

import type { Body } from './body';
import { Choice } from './choice';
import { Field } from './field';
import { RenderedBody } from './post-body';

/** The Markdown parser is a third of the form's code, so it comes only when it is needed. */
export async function readMarkdown(source: string): Promise<Body> {
  const { fromMarkdown } = await import('./markdown');
  return fromMarkdown(source);
}

interface PreviewProps {
  readonly source: string;
}

function Preview({ source }: PreviewProps) {
  const [body, setBody] = useState<Body | null>(null);
  const [hasFailed, setFailed] = useState(false);

  useEffect(() => {
    let isCurrent = true;
    readMarkdown(source).then(
      (read) => isCurrent && setBody(read),
      () => isCurrent && setFailed(true),
    );
    return () => {
      isCurrent = false;
    };
  }, [source]);

  return (
    <div className="cq-preview" role="region" aria-label="Preview" aria-busy={body === null}>
      {hasFailed && <p className="cq-muted">The preview could not be loaded. Your text is safe.</p>}
      {body?.length === 0 && <p className="cq-muted">Nothing to preview yet.</p>}
      {body && body.length > 0 && <RenderedBody body={body} />}
    </div>
  );
}

interface Props {
  readonly label: string;
  readonly value: string;
  readonly problem?: string | undefined;
  readonly isDisabled: boolean;
  readonly minimumRows: number;
  readonly placeholder: string;
  readonly onChange: (value: string) => void;
  readonly onSubmit: () => void;
}

type Mode = 'write' | 'preview';

const MODES = [
  { value: 'write', label: 'Write' },
  { value: 'preview', label: 'Preview' },
] as const;

export function MarkdownEditor(props: Props) {
  const [mode, setMode] = useState<Mode>('write');
  const { label, value, problem, isDisabled, minimumRows, placeholder, onChange, onSubmit } = props;
  return (
    <div className="cq-editor">
      <div className="cq-editor__mode">
        <Choice
          label={`${label}: write or preview`}
          options={MODES}
          value={mode}
          onChange={(chosen) => setMode(chosen)}
        />
      </div>
      <Field
        label={label}
        isRequired
        problem={problem}
        hint="Markdown: **bold**, *italic*, `code`, - list, > quote, ``` for a code block. Ctrl+Enter sends."
      >
        {(control) =>
          mode === 'preview' ? (
            <Preview source={value} />
          ) : (
            <TextArea
              {...control}
              value={value}
              isRequired
              isInvalid={problem !== undefined}
              isDisabled={isDisabled}
              minimumRows={minimumRows}
              placeholder={placeholder}
              resize="smart"
              onChange={(event) => onChange(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) onSubmit();
              }}
            />
          )
        }
      </Field>
    </div>
  );
}

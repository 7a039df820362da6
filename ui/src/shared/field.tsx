/** Label, hint and problem around one form control, joined for assistive technology. */
import { type ReactNode, useId } from 'react';

interface ControlProps {
  readonly id: string;
  readonly 'aria-describedby': string | undefined;
  readonly 'aria-invalid': boolean | undefined;
}

interface Props {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly problem?: string | undefined;
  readonly isRequired?: boolean;
  readonly children: (control: ControlProps) => ReactNode;
}

export function Field({ label, hint, problem, isRequired, children }: Props) {
  const id = useId();
  const hintId = `${id}-hint`;
  const problemId = `${id}-problem`;
  const described = [hint ? hintId : '', problem ? problemId : ''].filter(Boolean).join(' ');
  return (
    <div className="cq-field">
      <label className="cq-field__label" htmlFor={id}>
        {label}
        {isRequired && (
          <span className="cq-field__required" aria-hidden="true">
            {' '}
            *
          </span>
        )}
      </label>
      {children({
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': problem ? true : undefined,
      })}
      {hint && (
        <p className="cq-field__hint" id={hintId}>
          {hint}
        </p>
      )}
      {problem && (
        <p className="cq-field__problem" id={problemId}>
          {problem}
        </p>
      )}
    </div>
  );
}

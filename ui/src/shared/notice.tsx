/** What a page says when something failed or when there is nothing to show. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import SectionMessage from '@atlaskit/section-message';
import type { ReactNode } from 'react';

interface ProblemProps {
  readonly title: string;
  readonly message: string;
  readonly traceId?: string | undefined;
  readonly onRetry?: () => void;
  /** `h1` where the problem is all that the page shows. */
  readonly headingLevel?: 'h1' | 'h2';
}

export function ProblemNotice({ title, message, traceId, onRetry, headingLevel = 'h2' }: ProblemProps) {
  return (
    <div role="alert">
      <SectionMessage appearance="error" title={title} headingLevel={headingLevel}>
        <p className="cq-notice__text">{message}</p>
        {traceId && (
          <p className="cq-notice__trace">
            Trace id: <code>{traceId}</code>
          </p>
        )}
        {onRetry && (
          <div className="cq-notice__actions">
            <Button spacing="compact" onClick={onRetry}>
              Try again
            </Button>
          </div>
        )}
      </SectionMessage>
    </div>
  );
}

interface EmptyProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly action?: ReactNode;
}

export function EmptyNotice({ title, children, action }: EmptyProps) {
  return (
    <div className="cq-empty">
      <svg className="cq-empty__art" viewBox="0 0 96 64" aria-hidden="true" focusable="false">
        <rect className="cq-empty__back" x="30" y="4" width="60" height="38" rx="8" />
        <path className="cq-empty__front" d="M14 18h48a8 8 0 0 1 8 8v18a8 8 0 0 1-8 8H34L22 61v-9h-8a8 8 0 0 1-8-8V26a8 8 0 0 1 8-8Z" />
        <path className="cq-empty__line" d="M20 30h36M20 40h22" />
      </svg>
      <Heading size="small" as="h2">
        {title}
      </Heading>
      <p className="cq-empty__text">{children}</p>
      {action}
    </div>
  );
}

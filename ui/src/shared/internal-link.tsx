/** A link to another view of this frame; it has no address of its own that could be opened elsewhere. */
import type { ReactNode } from 'react';

interface Props {
  readonly className?: string;
  readonly children: ReactNode;
  readonly onFollow: () => void;
}

export function InternalLink({ className = 'cq-link', children, onFollow }: Props) {
  return (
    <button type="button" className={className} onClick={onFollow}>
      {children}
    </button>
  );
}

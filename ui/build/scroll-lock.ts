/** Stands in for `react-scrolllock`: the frame grows with its content, so there is no scroll to lock. */
import type { ReactNode } from 'react';

interface Props {
  children?: ReactNode;
}

export function TouchScrollable({ children }: Props): ReactNode {
  return children ?? null;
}

export default function ScrollLock({ children }: Props): ReactNode {
  return children ?? null;
}

/** A post's text as the reader sees it. */
import { useMemo } from 'react';

import type { Body } from './body';
import { toHtml } from './post-html';
import { sanitise } from './sanitise';
import { fromStorage } from './storage';

interface BodyProps {
  readonly body: Body;
}

export function RenderedBody({ body }: BodyProps) {
  const html = useMemo(() => sanitise(toHtml(body)), [body]);
  return <div className="cq-prose" dangerouslySetInnerHTML={{ __html: html }} />;
}

interface Props {
  readonly storage: string;
}

export function PostBody({ storage }: Props) {
  const body = useMemo(() => fromStorage(storage), [storage]);
  return <RenderedBody body={body} />;
}

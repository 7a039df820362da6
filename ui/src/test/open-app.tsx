/** Renders the whole application on a fake host, as a person would meet it. */
import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';

import { App } from '../app';
import type { StartView } from '../host/page';
import { memoryStorage } from '../shared/browser-storage';
import { CONTEXT, type FakeHost } from './fake-host';

interface Start {
  readonly view?: StartView;
  readonly contentId?: string;
  readonly storage?: Storage;
}

export function openApp(host: FakeHost, { view = 'questions', contentId, storage = memoryStorage() }: Start = {}) {
  const page = { view, context: { ...CONTEXT, contentId: contentId ?? null } };
  const user = userEvent.setup({ delay: null });
  const shown = render(<App bridge={host} page={page} storage={storage} />);
  return { ...shown, user, storage };
}

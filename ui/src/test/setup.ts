/** What jsdom lacks and Atlaskit expects; closes feature gates before any component loads. */
import '@testing-library/jest-dom/vitest';
import '../flags';

import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

class NoResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver = NoResizeObserver;
window.matchMedia = (query: string) =>
  ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined,
  }) as unknown as MediaQueryList;

// The first use of a lazily loaded view waits for its modules to be transformed.
configure({ asyncUtilTimeout: 8_000 });
afterEach(cleanup);

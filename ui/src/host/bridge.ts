/** What the application needs from the product that frames it; one implementation per host. */

/** Facts about the frame; `site` is the origin of the Confluence site and separates stored drafts. */
export interface HostContext {
  readonly site: string;
  readonly spaceId: string | null;
  readonly spaceKey: string | null;
  readonly contentId: string | null;
}

export interface BackendAnswer {
  readonly status: number;
  readonly body: string;
  /** Names are lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface ConfluenceAnswer {
  readonly status: number;
  readonly body: string;
}

export interface ConfluenceInit {
  readonly method?: 'GET' | 'POST';
  readonly json?: unknown;
}

export type BackendMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Flag {
  readonly kind: 'success' | 'info' | 'warning' | 'error';
  readonly title: string;
  readonly body?: string;
}

export type HostTarget =
  | { readonly kind: 'content'; readonly contentId: string }
  | { readonly kind: 'space'; readonly spaceKey: string };

/** The address part that the host keeps for a full page; absent where the host has none. */
export interface HostHistory {
  readonly push: (state: string) => void;
  /** Like `push`, but the person cannot go back to the state before. */
  readonly replace: (state: string) => void;
  readonly current: () => Promise<string>;
  /** Calls `listener` whenever the person moves through the history; returns the way to stop. */
  readonly onChange: (listener: (state: string) => void) => () => void;
}

/**
 * `backend` and `confluence` resolve with any HTTP status and reject with `HostUnavailable` when no
 * answer came. `backend` proves who is calling with a fresh token each time; `confluence` acts as
 * the person and takes a path below the product's root, for example `/api/v2/spaces`.
 */
export interface HostBridge {
  readonly context: () => Promise<HostContext>;
  backend(
    method: BackendMethod,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<BackendAnswer>;
  readonly confluence: (path: string, init?: ConfluenceInit) => Promise<ConfluenceAnswer>;
  readonly flag: (flag: Flag) => void;
  readonly navigate: (target: HostTarget) => void;
  readonly enableTheme: () => Promise<void>;
  readonly setTitle: (title: string) => void;
  /** Brings the top of the frame into view; the frame itself never scrolls. */
  readonly scrollToTop: () => void;
  readonly history: HostHistory | null;
}

export class HostUnavailable extends Error {
  override readonly name = 'HostUnavailable';
}

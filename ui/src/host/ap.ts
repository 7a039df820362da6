/** The part of Atlassian's `AP` global that we use (Connect JavaScript API). */

export interface ApXhr {
  status?: number;
  responseText?: string;
}

export interface ApRequest {
  url: string;
  type: string;
  data?: string;
  contentType?: string;
  headers?: Record<string, string>;
}

export interface ApHistory {
  pushState(state: string): void;
  replaceState(state: string): void;
  getState(type: 'hash', callback: (state: unknown) => void): void;
  popState(callback: (event: unknown) => void): void;
}

export interface Ap {
  context: { getToken(): Promise<string> };
  request(options: ApRequest): Promise<{ body: string; xhr?: ApXhr }>;
  flag?: {
    create(options: { title: string; body: string; type: string; close: 'auto' | 'manual' }): void;
  };
  navigator?: { go(target: string, context: Record<string, string>): void };
  history?: ApHistory;
  theming?: { initializeTheming(): unknown };
  page?: { setTitle(title: string): void };
  scrollPosition?: { setVerticalPosition?(y: number): void };
}

declare global {
  interface Window {
    AP?: Ap;
  }
}

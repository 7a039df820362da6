/** What an import asks of the backend and of Confluence, as the administrator. */
import type { HostBridge } from '../host/bridge';
import { call } from './client';
import type { Confluence, NewPost } from './confluence';
import { send } from './confluence';

interface ImportedPost {
  readonly source: string;
  readonly contentId: string;
  readonly author: { readonly accountId: string } | { readonly former: string };
  readonly createdAt: string;
  readonly votes: readonly { readonly accountId: string; readonly value: 1 | -1 }[];
}

export interface ImportedQuestion extends ImportedPost {
  readonly activeAt?: string;
  readonly tags: readonly string[];
  readonly bounty?: number;
  readonly closed?: { readonly reason: string };
}

export interface ImportedAnswer extends ImportedPost {
  readonly questionId: string;
  readonly isAccepted: boolean;
  readonly acceptedAt?: string;
}

export interface ImportOutcome {
  /** What stands for the source now: another content where it was imported before. */
  readonly contentId: string;
  readonly votes: number;
  readonly droppedVotes: readonly { readonly reason: string; readonly count: number }[];
}

interface KnownSources {
  readonly items: readonly { readonly source: string; readonly contentId: string }[];
}

export function createImports(host: HostBridge, confluence: Confluence) {
  return {
    /** Those of at most 250 sources that were imported before, with their content. */
    known: async (sources: readonly string[]): Promise<ReadonlyMap<string, string>> => {
      const { items } = await call<KnownSources>(host, 'POST', '/imports/known', { body: { sources } });
      return new Map(items.map(({ source, contentId }) => [source, contentId]));
    },
    create: async (post: NewPost): Promise<string> => (await confluence.create(post)).id,
    comment: async (contentId: string, storage: string): Promise<void> => {
      const body = { representation: 'storage', value: storage };
      await send(host, '/api/v2/footer-comments', { method: 'POST', json: { customContentId: contentId, body } });
    },
    takeQuestion: (body: ImportedQuestion) => call<ImportOutcome>(host, 'POST', '/imports/questions', { body }),
    takeAnswer: (body: ImportedAnswer) => call<ImportOutcome>(host, 'POST', '/imports/answers', { body }),
  };
}

export type Imports = ReturnType<typeof createImports>;

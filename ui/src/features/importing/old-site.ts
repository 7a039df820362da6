/** What the parsers make of an export: the questions of an old site, whatever wrote the file. */
import type { Body } from '../../shared/body';

/** A post's text and what of it cannot be kept, by the name of the markup. */
export interface OldText {
  readonly body: Body;
  readonly unsupported: readonly string[];
}

export interface OldVote {
  /** The old site's name for the voter. */
  readonly voter: string;
  readonly value: 1 | -1;
}

export interface OldComment {
  readonly author: string | null;
  readonly createdAt: string | null;
  readonly text: OldText;
}

interface OldPost {
  /** The old site's id; questions and answers are numbered apart or together, so it is led by its kind. */
  readonly oldId: string;
  /** The old site's name for the author; null where the export does not tell. */
  readonly author: string | null;
  /** RFC 3339, or null where the export holds no time that can be read. */
  readonly createdAt: string | null;
  readonly text: OldText;
  readonly votes: readonly OldVote[];
  /** Votes that are in the export as a number only. */
  readonly countedVotes: number;
  readonly comments: readonly OldComment[];
}

export interface OldAnswer extends OldPost {
  readonly isAccepted: boolean;
  readonly acceptedAt: string | null;
}

export type CloseReason = 'off-topic' | 'answered-elsewhere' | 'outdated' | 'no-longer-needed';

export interface OldQuestion extends OldPost {
  readonly title: string;
  readonly tags: readonly string[];
  readonly answers: readonly OldAnswer[];
  readonly activeAt: string | null;
  readonly bounty: number | null;
  readonly closed: CloseReason | null;
}

/** Something in the file that was passed over, in words for the administrator. */
export interface Note {
  readonly where: string;
  readonly what: string;
}

export interface OldSite {
  readonly questions: readonly OldQuestion[];
  readonly notes: readonly Note[];
}

/** The file is not what it was said to be; the message is for the administrator. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

export const FORMATS = ['datacenter', 'stack', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

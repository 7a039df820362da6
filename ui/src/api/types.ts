/** Names for the wire shapes, so that features do not depend on how the schema file is made. */
import type { components } from './schema';

type Schemas = components['schemas'];

type ContentTypes = Record<'question' | 'answer' | 'vote' | 'tag', string>;

export type Me = Omit<Schemas['Me'], 'contentTypes'> & { contentTypes: ContentTypes };
export type Grants = Schemas['GrantsView'];
export type Question = Schemas['QuestionView'];
export type QuestionDetail = Schemas['QuestionDetail'];
export type Answer = Schemas['AnswerView'];
export type Vote = Schemas['VoteView'];
export type Destination = Schemas['DestinationView'];
export type DestinationState = Schemas['DestinationState'];
export type NewDestination = Schemas['DestinationBody'];
export type EventKind = NewDestination['events'][number];
export type Disclosure = Schemas['Disclosure'];
export type TestOutcome = Schemas['TrialView'];
export type Problem = Schemas['Problem'];
export type FieldProblem = NonNullable<Problem['problems']>[number];

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

export type QuestionOrder = 'newest' | 'votes';

/** The add form's fields, their rules, and what is sent. */
import type { FieldProblem, Disclosure, EventKind, NewDestination } from '../../api/types';

export interface DestinationDraft {
  readonly label: string;
  readonly url: string;
  /** Null stands for the whole site. */
  readonly spaceId: string | null;
  readonly events: readonly EventKind[];
  readonly disclosure: Disclosure;
}

export const EMPTY_DESTINATION: DestinationDraft = {
  label: '',
  url: '',
  spaceId: null,
  events: ['asked', 'answered', 'accepted'],
  disclosure: 'link',
};

export const EVENT_WORDS: Readonly<Record<EventKind, string>> = {
  asked: 'A question is asked',
  answered: 'A question is answered',
  voted: 'A post is voted for',
  accepted: 'An answer is accepted',
};

export const EVENT_KINDS: readonly EventKind[] = ['asked', 'answered', 'voted', 'accepted'];

export type DraftField = 'label' | 'url' | 'events' | 'spaceId';
export type DraftProblems = Partial<Record<DraftField, string>>;

const LABEL_LIMIT = 80;

function urlProblem(typed: string): string | null {
  if (typed.trim() === '') return 'Paste the address of the Teams workflow.';
  if (!URL.canParse(typed.trim())) return 'This is not an address. It starts with https://.';
  return null;
}

/** The backend decides which hosts it accepts; here only what nobody could mean is refused. */
export function problemsOf(draft: DestinationDraft): DraftProblems {
  const label = draft.label.trim();
  const url = urlProblem(draft.url);
  return {
    ...(label === '' ? { label: 'Give the destination a name.' } : {}),
    ...(label.length > LABEL_LIMIT ? { label: `Use at most ${LABEL_LIMIT} characters.` } : {}),
    ...(url ? { url } : {}),
    ...(draft.events.length === 0 ? { events: 'Choose at least one event.' } : {}),
  };
}

const FIELDS: Readonly<Record<string, DraftField>> = {
  label: 'label',
  url: 'url',
  events: 'events',
  scope: 'spaceId',
};

/** The backend words a problem as what its field must be or is not; here it becomes a sentence. */
const SUBJECTS: Readonly<Record<DraftField, string>> = {
  label: 'The name',
  url: 'The address',
  events: 'The choice of events',
  spaceId: 'The space',
};

/** Puts the backend's problems (JSON pointers such as `/url`) beside the fields they are about. */
export function fieldProblems(problems: readonly FieldProblem[]): DraftProblems {
  const placed: DraftProblems = {};
  for (const { pointer, detail } of problems) {
    const field = FIELDS[pointer?.split('/').filter((part) => part !== '#' && part !== '')[0] ?? ''];
    if (field) placed[field] ??= `${SUBJECTS[field]} ${detail.replace(/\.?$/, '.')}`;
  }
  return placed;
}

export function toRequest(draft: DestinationDraft): NewDestination {
  return {
    kind: 'teams',
    label: draft.label.trim(),
    url: draft.url.trim(),
    scope: draft.spaceId === null ? { kind: 'site' } : { kind: 'space', spaceId: draft.spaceId },
    events: EVENT_KINDS.filter((kind) => draft.events.includes(kind)),
    disclosure: draft.disclosure,
  };
}

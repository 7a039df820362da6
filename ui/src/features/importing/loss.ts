/** The loss report: how much of an old site is kept, and everything that is not, with counts and lists. */
import type { Note } from './old-site';
import { noteBook } from './values';

export interface Counted {
  readonly name: string;
  readonly count: number;
}

export interface ChangedTag {
  readonly from: string;
  /** Null where the tag is left out. */
  readonly to: string | null;
  readonly count: number;
}

export interface Loss {
  readonly questions: number;
  readonly answers: number;
  readonly comments: number;
  /** People of the old site without an account here: their posts are those of former users. */
  readonly unmappedAuthors: readonly Counted[];
  readonly droppedVotes: readonly Counted[];
  /** Votes that the file holds as numbers only; a score without voters is not kept. */
  readonly votesWithoutVoters: number;
  readonly unsupportedMarkup: readonly Counted[];
  readonly titles: readonly Note[];
  readonly times: readonly Note[];
  readonly tags: readonly ChangedTag[];
  readonly notes: readonly Note[];
  /** What no import keeps, whether or not this file holds it. */
  readonly neverKept: readonly Note[];
}

/** Old sites know these and this one does not, so the parsers do not look for them in the file. */
const NEVER_KEPT: readonly Note[] = [
  { where: 'View counts', what: 'are not kept: views are not counted here' },
  { where: 'Favourites and bookmarks', what: 'are not kept: there is nothing like them here' },
  { where: 'Watchers', what: 'are not kept: nobody asked to hear of these questions here' },
  { where: 'Descriptions of topics and tags', what: 'are not kept: their names are, as tags' },
  { where: 'The spaces that questions came from', what: 'are not kept: all of them come into the space you choose' },
];

class Counts {
  private readonly counts = new Map<string, number>();

  add(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  all(): Counted[] {
    return [...this.counts]
      .map(([name, count]) => ({ name, count }))
      .sort((a, b) => b.count - a.count || a.name.localeCompare(b.name));
  }
}

const ARROW = '\u0000';

export class LossBook {
  private kept = { questions: 0, answers: 0, comments: 0 };
  private votesWithoutVoters = 0;
  private readonly authors = new Counts();
  private readonly votesDropped = new Counts();
  private readonly markup = new Counts();
  private readonly changedTags = new Counts();
  private readonly titleNotes = noteBook();
  private readonly timeNotes = noteBook();
  private readonly otherNotes = noteBook();

  questions(more: number): void {
    this.kept.questions += more;
  }

  answers(more: number): void {
    this.kept.answers += more;
  }

  comments(more: number): void {
    this.kept.comments += more;
  }

  unmapped(name: string): void {
    this.authors.add(name);
  }

  vote(reason: string): void {
    this.votesDropped.add(reason);
  }

  counted(votes: number): void {
    this.votesWithoutVoters += votes;
  }

  unsupported(names: readonly string[]): void {
    names.forEach((name) => this.markup.add(name));
  }

  tag(from: string, to: string | null): void {
    this.changedTags.add(`${from.slice(0, 100).replaceAll(ARROW, '')}${ARROW}${to ?? ''}`);
  }

  title(where: string, what: string): void {
    this.titleNotes.add(where, what);
  }

  time(where: string, what: string): void {
    this.timeNotes.add(where, what);
  }

  note(where: string, what: string): void {
    this.otherNotes.add(where, what);
  }

  loss(): Loss {
    return {
      ...this.kept,
      unmappedAuthors: this.authors.all(),
      droppedVotes: this.votesDropped.all(),
      votesWithoutVoters: this.votesWithoutVoters,
      unsupportedMarkup: this.markup.all(),
      titles: this.titleNotes.all(),
      times: this.timeNotes.all(),
      tags: this.changedTags.all().map(({ name, count }) => {
        const [from = '', to = ''] = name.split(ARROW);
        return { from, to: to || null, count };
      }),
      notes: this.otherNotes.all(),
      neverKept: NEVER_KEPT,
    };
  }
}

export function emptyLoss(): Loss {
  return new LossBook().loss();
}

/**
 * Exports of Questions for Confluence (Data Center) as JSON: the entities of its REST interface, questions with
 * answers, comments and votes inside. Names differ between versions and export scripts; several are understood.
 */
import { textOf } from './html-body';
import type { OldAnswer, OldComment, OldQuestion, OldSite, OldVote } from './old-site';
import { Unreadable } from './old-site';
import { asBoolean, asId, asList, asNumber, asText, asTime, first, isObject, type Json, type NoteBook, noteBook } from './values';

const AUTHOR = ['author', 'creator', 'user', 'owner'] as const;
const CREATED = ['dateAsked', 'dateAnswered', 'dateCommented', 'created', 'createdAt', 'creationDate', 'date'] as const;
const NAMES = ['userKey', 'key', 'name', 'username', 'fullName', 'displayName'] as const;

/** People are objects or names; the key outlives a renaming and so comes first. */
function person(value: unknown): string | null {
  return isObject(value) ? asId(first(value, ...NAMES)) : asId(value);
}

/** The body is storage or view HTML, as text or inside `{content}`, `{value}` or `{storage: {value}}`. */
function bodyOf(json: Json): string {
  let value = first(json, 'body', 'content', 'text');
  for (let depth = 0; isObject(value) && depth < 4; depth += 1) {
    value = first(value, 'content', 'value', 'storage', 'view', 'raw');
  }
  return asText(value) ?? '';
}

function direction(vote: Json): 1 | -1 | null {
  const value = first(vote, 'value', 'vote', 'score');
  const number = asNumber(value);
  if (number !== null) return number > 0 ? 1 : number < 0 ? -1 : null;
  const word = asText(value) ?? asText(first(vote, 'type', 'direction')) ?? 'up';
  return /^down/i.test(word) ? -1 : 1;
}

interface Votes {
  readonly votes: readonly OldVote[];
  readonly counted: number;
}

function votersOf(value: unknown, sign: 1 | -1): OldVote[] {
  return asList(value).flatMap((one): OldVote[] => {
    const voter = isObject(one) ? (person(first(one, ...AUTHOR, 'voter')) ?? person(one)) : person(one);
    return voter ? [{ voter, value: sign }] : [];
  });
}

/** `[{user, value}]`, `{up: [people], down: [people]}`, `{up: 3, down: 1}` or a plain number. */
function votesOf(json: Json): Votes {
  const value = first(json, 'votes', 'voteSummary', 'score');
  if (Array.isArray(value)) {
    const votes = value.flatMap((one: unknown): OldVote[] => {
      const voter = isObject(one) ? person(first(one, ...AUTHOR, 'voter')) : person(one);
      const sign = isObject(one) ? direction(one) : 1;
      return voter && sign ? [{ voter, value: sign }] : [];
    });
    return { votes, counted: value.length - votes.length };
  }
  if (!isObject(value)) return { votes: [], counted: Math.abs(asNumber(value) ?? 0) };
  const [up, down] = [first(value, 'up', 'upVotes', 'upvotes'), first(value, 'down', 'downVotes', 'downvotes')];
  const votes = [...votersOf(up, 1), ...votersOf(down, -1)];
  const counted = Math.abs(asNumber(up) ?? 0) + Math.abs(asNumber(down) ?? 0);
  return { votes, counted: counted + asList(up).length + asList(down).length - votes.length };
}

function listOf(json: Json, ...names: readonly string[]): readonly unknown[] {
  const value = first(json, ...names);
  return asList(isObject(value) ? first(value, 'results', 'items', 'values', ...names) : value);
}

function commentsOf(json: Json): OldComment[] {
  return listOf(json, 'comments').filter(isObject).map((comment) => ({
    author: person(first(comment, ...AUTHOR)),
    createdAt: asTime(first(comment, ...CREATED)),
    text: textOf(bodyOf(comment)),
  }));
}

function postOf(json: Json, oldId: string) {
  const { votes, counted } = votesOf(json);
  return {
    oldId,
    author: person(first(json, ...AUTHOR)),
    createdAt: asTime(first(json, ...CREATED)),
    text: textOf(bodyOf(json)),
    votes,
    countedVotes: counted,
    comments: commentsOf(json),
  };
}

function answersOf(question: Json, where: string, notes: NoteBook): OldAnswer[] {
  return listOf(question, 'answers').flatMap((answer, index): OldAnswer[] => {
    const id = isObject(answer) ? asId(first(answer, 'id', 'answerId')) : null;
    if (!isObject(answer) || id === null) {
      notes.add(`${where}, answer ${index + 1}`, 'has no id and is left out');
      return [];
    }
    const acceptedAt = asTime(first(answer, 'dateAccepted', 'acceptedDate', 'acceptedAt'));
    const isAccepted = asBoolean(first(answer, 'accepted', 'isAccepted')) || acceptedAt !== null;
    return [{ ...postOf(answer, `answer:${id}`), isAccepted, acceptedAt }];
  });
}

function bountyOf(question: Json): number | null {
  const value = first(question, 'bounty', 'bounties');
  const one = Array.isArray(value) ? (value[0] as unknown) : value;
  const points = asNumber(isObject(one) ? first(one, 'points', 'value', 'amount', 'reputation') : one);
  return points !== null && points >= 1 ? Math.round(points) : null;
}

function questionOf(json: unknown, index: number, notes: NoteBook): OldQuestion[] {
  const where = `Question ${index + 1}`;
  const id = isObject(json) ? asId(first(json, 'id', 'questionId')) : null;
  if (!isObject(json) || id === null) {
    notes.add(where, isObject(json) ? 'has no id and is left out' : 'is no object and is left out');
    return [];
  }
  const tags = listOf(json, 'topics', 'tags').flatMap((topic) => {
    const name = isObject(topic) ? asText(first(topic, 'name', 'title')) : asText(topic);
    return name ? [name] : [];
  });
  if (asBoolean(first(json, 'deleted', 'trashed', 'isDeleted'))) {
    notes.add(where, 'was deleted on the old site and is left out');
    return [];
  }
  return [
    {
      ...postOf(json, `question:${id}`),
      title: asText(first(json, 'title', 'name')) ?? '',
      tags,
      answers: answersOf(json, where, notes),
      activeAt: asTime(first(json, 'dateUpdated', 'lastActivity', 'lastModified', 'activeAt')),
      bounty: bountyOf(json),
      closed: null,
    },
  ];
}

/** JSON, or one JSON object on each line. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (lines.length < 2 || !lines[0]?.trim().startsWith('{')) throw broken(cause);
    try {
      return lines.map((line): unknown => JSON.parse(line));
    } catch {
      throw broken(cause);
    }
  }
}

function broken(cause: unknown): Unreadable {
  return new Unreadable('The file is not valid JSON. It may be cut off; export it again.', { cause });
}

export function parseDatacenter(text: string): OldSite {
  const json = parseJson(text);
  const listed = Array.isArray(json) ? (json as unknown[]) : isObject(json) ? listOf(json, 'questions', 'results', 'items') : [];
  if (listed.length === 0) throw new Unreadable('There are no questions in the file. Expected a list, or an object with “questions”.');
  const notes = noteBook();
  return { questions: listed.flatMap((one, index) => questionOf(one, index, notes)), notes: notes.all() };
}

/** Exports of Stack Overflow for Teams: a flat list of posts, of which type 1 is a question and type 2 an answer. */
import { textOfHtml, textOfMarkdown } from './html-body';
import type { CloseReason, OldAnswer, OldComment, OldQuestion, OldSite } from './old-site';
import { Unreadable } from './old-site';
import { parseJson } from './parse-datacenter';
import { asId, asList, asNumber, asText, asTime, first, isObject, type Json, type NoteBook, noteBook } from './values';

function field(json: Json, name: string): unknown {
  const camel = `${name[0]?.toLowerCase() ?? ''}${name.slice(1)}`;
  const snake = camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return first(json, name, camel, snake);
}

function listed(json: unknown, ...names: readonly string[]): readonly Json[] {
  if (Array.isArray(json)) return json.filter(isObject);
  if (!isObject(json)) return [];
  for (const name of [...names, 'items', 'rows']) {
    const value = field(json, name);
    const list = isObject(value) ? first(value, 'row', 'items') : value;
    if (Array.isArray(list)) return list.filter(isObject);
  }
  return [];
}

function textOfPost(post: Json) {
  const html = asText(field(post, 'Body')) ?? asText(field(post, 'Text'));
  return html === null ? textOfMarkdown(asText(field(post, 'BodyMarkdown')) ?? '') : textOfHtml(html);
}

/** `<tag-one><tag-two>`, `|one|two|`, words apart by spaces or commas, or a list. */
function tagsOf(value: unknown): string[] {
  if (Array.isArray(value)) return asList(value).flatMap((tag) => asText(isObject(tag) ? first(tag, 'name', 'Name') : tag) ?? []);
  return (asText(value) ?? '').split(/[<>|,;\s]+/).filter((tag) => tag !== '');
}

function closeReason(post: Json, where: string, notes: NoteBook): CloseReason | null {
  if (field(post, 'ClosedDate') === undefined) return null;
  const reason = asText(field(post, 'ClosedReason')) ?? '';
  if (/duplicate/i.test(reason)) {
    notes.add(where, 'was closed as a duplicate; it comes open, because the link to the other question is not kept');
    return null;
  }
  if (/off.?topic/i.test(reason)) return 'off-topic';
  return /outdated|obsolete/i.test(reason) ? 'outdated' : 'no-longer-needed';
}

function commentsByPost(json: unknown): Map<string, OldComment[]> {
  const found = new Map<string, OldComment[]>();
  if (!isObject(json)) return found;
  for (const comment of asList(field(json, 'Comments')).filter(isObject)) {
    const postId = asId(field(comment, 'PostId'));
    if (postId === null) continue;
    const user = asId(field(comment, 'UserId'));
    const author = user === null ? asId(field(comment, 'UserDisplayName')) : `user ${user}`;
    const one = { author, createdAt: asTime(field(comment, 'CreationDate')), text: textOfPost(comment) };
    found.set(postId, [...(found.get(postId) ?? []), one]);
  }
  return found;
}

export function parseStack(text: string): OldSite {
  const json = parseJson(text);
  const posts = listed(json, 'Posts');
  if (posts.length === 0) throw new Unreadable('There are no posts in the file. Choose posts.json of the export.');
  const notes = noteBook();
  const comments = commentsByPost(json);
  const base = (post: Json, id: string) => ({
    oldId: `post:${id}`,
    author: asId(field(post, 'OwnerUserId')) ?? asId(field(post, 'OwnerDisplayName')),
    createdAt: asTime(field(post, 'CreationDate')),
    text: textOfPost(post),
    votes: [],
    countedVotes: Math.abs(asNumber(field(post, 'Score')) ?? 0),
    comments: comments.get(id) ?? [],
  });

  const answers = new Map<string, [string, OldAnswer][]>();
  const asked: [string, Json][] = [];
  posts.forEach((post, index) => {
    const [id, type] = [asId(field(post, 'Id')), asNumber(field(post, 'PostTypeId'))];
    const parent = asId(field(post, 'ParentId'));
    const where = id === null ? `Entry ${index + 1}` : `Post ${id}`;
    if (id === null) notes.add(where, 'has no id and is left out');
    else if (field(post, 'DeletionDate') !== undefined) notes.add(where, 'was deleted on the old site and is left out');
    else if (type === 1) asked.push([id, post]);
    else if (type === 2 && parent !== null) {
      const answer = { ...base(post, id), isAccepted: false, acceptedAt: null };
      const siblings = answers.get(parent);
      if (siblings) siblings.push([id, answer]);
      else answers.set(parent, [[id, answer]]);
    } else notes.add(where, `is neither a question nor an answer (type ${type ?? 'unknown'}) and is left out`);
  });

  const questions = asked.map(([id, post]): OldQuestion => {
    const accepted = asId(field(post, 'AcceptedAnswerId'));
    const own = answers.get(id) ?? [];
    answers.delete(id);
    return {
      ...base(post, id),
      title: textOfTitle(asText(field(post, 'Title'))),
      tags: tagsOf(field(post, 'Tags')),
      answers: own.map(([answerId, answer]) => ({ ...answer, isAccepted: answerId === accepted })),
      activeAt: asTime(field(post, 'LastActivityDate')),
      bounty: null,
      closed: closeReason(post, `Post ${id}`, notes),
    };
  });
  for (const [parent, orphans] of answers) {
    for (const [id] of orphans) notes.add(`Post ${id}`, `answers post ${parent}, which is not in the file, and is left out`);
  }
  return { questions, notes: notes.all() };
}

/** Titles of some exports are HTML text: `&amp;` for `&`. */
function textOfTitle(title: string | null): string {
  const decoded = textOfHtml((title ?? '').replace(/</g, '&lt;')).body;
  return decoded.flatMap((block) => (block.kind === 'paragraph' ? block.children : [])).map((inline) => (inline.kind === 'text' ? inline.text : '')).join('');
}

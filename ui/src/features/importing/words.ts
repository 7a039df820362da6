/** Names and sentences of the importer. */
import type { Format } from './old-site';

export const FORMAT_NAMES: Readonly<Record<Format, string>> = {
  datacenter: 'Questions for Confluence (Data Center), JSON',
  stack: 'Stack Overflow for Teams, posts.json',
  csv: 'CSV table',
};

const VOTE_REASONS: Readonly<Record<string, string>> = {
  'voter-not-mapped': 'the voter has no account in the account map',
  'own-post': 'people cannot vote for their own posts',
  'not-granted': 'the voter may not vote in this space now',
  'downvotes-off': 'the space takes no votes against a post',
  repeated: 'the same person voted twice on the post',
  'voted-here': 'the person has voted on the post here already',
  'too-many': 'more than 500 votes on one post',
};

export function voteReason(reason: string): string {
  return VOTE_REASONS[reason] ?? reason;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** A question's answers with their texts and people, page by page. */
import { useCallback, useState } from 'react';

import type { Person, Post } from '../../api/confluence';
import { asFailure, type Failure } from '../../api/problem';
import { type Services, useServices } from '../../api/services';
import type { Answer } from '../../api/types';
import { type Loaded, useLoad } from '../../api/use-load';
import { accountsOf, personOf } from '../../api/people';

export interface ReadableAnswer {
  readonly answer: Answer;
  readonly storage: string;
  readonly author: Person | null;
  readonly acceptedBy: Person | null;
}

export interface AnswerPages {
  readonly answers: readonly ReadableAnswer[];
  readonly next: string | null;
}

function readable(
  answer: Answer,
  posts: ReadonlyMap<string, Post>,
  people: ReadonlyMap<string, Person>,
): ReadableAnswer[] {
  const post = posts.get(answer.id);
  // Confluence returns only what this person may read; an answer it withholds is not shown.
  if (!post) return [];
  return [
    {
      answer,
      storage: post.body ?? '',
      author: personOf(people, answer.authorId),
      acceptedBy: personOf(people, answer.acceptedById),
    },
  ];
}

async function readPage(
  { client, confluence, me }: Services,
  questionId: string,
  cursor: string | null,
): Promise<AnswerPages> {
  const { items, next } = await client.answers(questionId, cursor);
  const accounts = accountsOf(items.flatMap(({ authorId, acceptedById }) => [authorId, acceptedById]));
  const [posts, people] = await Promise.all([
    confluence.bodies(me.contentTypes.answer, items.map(({ id }) => id)),
    confluence.people(accounts),
  ]);
  return { answers: items.flatMap((item) => readable(item, posts, people)), next };
}

export interface AnswerList extends Loaded<AnswerPages> {
  readonly isLoadingMore: boolean;
  readonly moreFailure: Failure | null;
  readonly more: () => void;
}

export function useAnswers(questionId: string): AnswerList {
  const services = useServices();
  const load = useCallback(() => readPage(services, questionId, null), [services, questionId]);
  const pages = useLoad(load);
  const [isLoadingMore, setLoadingMore] = useState(false);
  const [moreFailure, setMoreFailure] = useState<Failure | null>(null);

  const more = async () => {
    const cursor = pages.data?.next;
    if (!cursor || isLoadingMore) return;
    setLoadingMore(true);
    setMoreFailure(null);
    try {
      const page = await readPage(services, questionId, cursor);
      pages.update((last) =>
        last.next === cursor
          ? { answers: [...last.answers, ...page.answers], next: page.next }
          : last,
      );
    } catch (reason) {
      setMoreFailure(asFailure(reason));
    } finally {
      setLoadingMore(false);
    }
  };

  return { ...pages, isLoadingMore, moreFailure, more: () => void more() };
}

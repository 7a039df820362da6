/** The questions of a space as rows a person may see, page by page. */
import { useCallback, useState } from 'react';

import type { Person } from '../../api/confluence';
import { asFailure, type Failure } from '../../api/problem';
import { type Services, useServices } from '../../api/services';
import type { Question, QuestionOrder } from '../../api/types';
import { type Loaded, useLoad } from '../../api/use-load';
import { accountsOf, personOf } from '../../api/people';

export interface QuestionRow {
  readonly question: Question;
  readonly title: string;
  readonly author: Person | null;
}

export interface QuestionPages {
  readonly rows: readonly QuestionRow[];
  readonly next: string | null;
}

export interface QuestionFilter {
  readonly spaceId: string;
  readonly order: QuestionOrder;
  readonly unansweredOnly: boolean;
}

/**
 * Titles come from Confluence as the person. A question whose id does not come back is one they
 * may not see at this moment, so it is left out, title, tags and all.
 */
async function readPage(
  { client, confluence, me }: Services,
  filter: QuestionFilter,
  cursor: string | null,
): Promise<QuestionPages> {
  const { items, next } = await client.questions({ ...filter, cursor });
  if (items.length === 0) return { rows: [], next };
  const [titles, people] = await Promise.all([
    confluence.titles(me.contentTypes.question, items.map(({ id }) => id)),
    confluence.people(accountsOf(items.map(({ authorId }) => authorId))),
  ]);
  const rows = items.flatMap((question): QuestionRow[] => {
    const post = titles.get(question.id);
    if (!post) return [];
    return [{ question, title: post.title, author: personOf(people, question.authorId) }];
  });
  return { rows, next };
}

export interface QuestionList extends Loaded<QuestionPages> {
  readonly isLoadingMore: boolean;
  readonly moreFailure: Failure | null;
  readonly more: () => void;
}

export function useQuestions({ spaceId, order, unansweredOnly }: QuestionFilter): QuestionList {
  const services = useServices();
  const load = useCallback(
    () => readPage(services, { spaceId, order, unansweredOnly }, null),
    [services, spaceId, order, unansweredOnly],
  );
  const pages = useLoad(load);
  const [isLoadingMore, setLoadingMore] = useState(false);
  const [moreFailure, setMoreFailure] = useState<Failure | null>(null);

  const more = async () => {
    const cursor = pages.data?.next;
    if (!cursor || isLoadingMore) return;
    setLoadingMore(true);
    setMoreFailure(null);
    try {
      const page = await readPage(services, { spaceId, order, unansweredOnly }, cursor);
      // The filter may have changed meanwhile; a page of the old list must not join the new one.
      pages.update((last) =>
        last.next === cursor ? { rows: [...last.rows, ...page.rows], next: page.next } : last,
      );
    } catch (reason) {
      setMoreFailure(asFailure(reason));
    } finally {
      setLoadingMore(false);
    }
  };

  return { ...pages, isLoadingMore, moreFailure, more: () => void more() };
}

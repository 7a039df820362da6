/** One question with its text and author. */
import { useCallback } from 'react';

import type { Person, Post } from '../../api/confluence';
import { useServices } from '../../api/services';
import type { Grants, QuestionDetail } from '../../api/types';
import { type Loaded, useLoad } from '../../api/use-load';
import { accountsOf, personOf } from '../../api/people';

export interface ReadableQuestion {
  readonly question: QuestionDetail;
  readonly post: Post;
  readonly author: Person | null;
  /** What the person may do in the question's space. */
  readonly grants: Grants;
}

export function useQuestion(id: string): Loaded<ReadableQuestion> {
  const { client, confluence } = useServices();
  const load = useCallback(async (): Promise<ReadableQuestion> => {
    const [question, post] = await Promise.all([client.question(id), confluence.post(id)]);
    const [grants, people] = await Promise.all([
      client.grants(question.spaceId),
      confluence.people(accountsOf([question.authorId])),
    ]);
    return { question, post, author: personOf(people, question.authorId), grants };
  }, [client, confluence, id]);
  return useLoad(load);
}

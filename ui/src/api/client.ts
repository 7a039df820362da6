/** The client of /api/v1: one call, one answer or one `Failure`. */
import type { BackendMethod, HostBridge } from '../host/bridge';
import { HostUnavailable } from '../host/bridge';
import { Failure, failureOf, sentenceFor } from './problem';
import type {
  Answer,
  Destination,
  DestinationState,
  Grants,
  Me,
  NewDestination,
  Page,
  Question,
  QuestionDetail,
  QuestionOrder,
  TestOutcome,
  Vote,
} from './types';

export const PAGE_SIZE = 20;
const ROOT = '/api/v1';

export interface QuestionQuery {
  readonly spaceId: string;
  readonly order: QuestionOrder;
  readonly unansweredOnly: boolean;
  readonly cursor: string | null;
}

interface Call {
  readonly body?: unknown;
  readonly idempotencyKey?: string;
}

export async function call<Answered>(
  host: HostBridge,
  method: BackendMethod,
  path: string,
  { body, idempotencyKey }: Call = {},
): Promise<Answered> {
  const headers: Record<string, string> = idempotencyKey ? { 'Idempotency-Key': idempotencyKey } : {};
  const answer = await host
    .backend(method, `${ROOT}${path}`, body, headers)
    .catch((cause: unknown) => {
      if (!(cause instanceof HostUnavailable)) throw cause;
      throw new Failure('offline', sentenceFor('offline'), { cause });
    });
  if (answer.status < 200 || answer.status > 299) throw failureOf(answer);
  if (answer.body === '') return undefined as Answered;
  try {
    return JSON.parse(answer.body) as Answered;
  } catch (cause) {
    throw new Failure('unexpected', sentenceFor('unexpected'), { status: answer.status, cause });
  }
}

function query(parameters: Readonly<Record<string, string | null>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) search.set(name, value);
  }
  return search.toString();
}

const segment = encodeURIComponent;

export function createClient(host: HostBridge) {
  return {
    me: () => call<Me>(host, 'GET', '/me'),
    grants: (spaceId: string) => call<Grants>(host, 'GET', `/spaces/${segment(spaceId)}/grants`),

    questions: ({ spaceId, order, unansweredOnly, cursor }: QuestionQuery) => {
      const search = query({
        space: spaceId,
        order,
        state: unansweredOnly ? 'unanswered' : null,
        cursor,
        limit: String(PAGE_SIZE),
      });
      return call<Page<Question>>(host, 'GET', `/questions?${search}`);
    },
    question: (id: string) => call<QuestionDetail>(host, 'GET', `/questions/${segment(id)}`),
    registerQuestion: (contentId: string, tags: readonly string[], idempotencyKey: string) =>
      call<QuestionDetail>(host, 'POST', '/questions', { body: { contentId, tags }, idempotencyKey }),

    answers: (questionId: string, cursor: string | null) =>
      call<Page<Answer>>(
        host,
        'GET',
        `/questions/${segment(questionId)}/answers?${query({ cursor, limit: String(PAGE_SIZE) })}`,
      ),
    registerAnswer: (questionId: string, contentId: string, idempotencyKey: string) =>
      call<Answer>(host, 'POST', `/questions/${segment(questionId)}/answers`, {
        body: { contentId },
        idempotencyKey,
      }),

    vote: (post: 'questions' | 'answers', id: string, value: 0 | 1) =>
      call<Vote>(host, 'PUT', `/${post}/${segment(id)}/vote`, { body: { value } }),
    accept: (questionId: string, answerId: string | null) =>
      call<QuestionDetail>(host, 'PUT', `/questions/${segment(questionId)}/accepted`, {
        body: { answerId },
      }),

    destinations: () => call<Page<Destination>>(host, 'GET', '/destinations'),
    addDestination: (body: NewDestination, idempotencyKey: string) =>
      call<Destination>(host, 'POST', '/destinations', { body, idempotencyKey }),
    setDestinationState: (id: string, state: DestinationState) =>
      call<Destination>(host, 'PATCH', `/destinations/${segment(id)}`, { body: { state } }),
    deleteDestination: (id: string) =>
      call<undefined>(host, 'DELETE', `/destinations/${segment(id)}`),
    testDestination: (id: string, idempotencyKey: string) =>
      call<TestOutcome>(host, 'POST', `/destinations/${segment(id)}/test`, { idempotencyKey }),
  };
}

export type Client = ReturnType<typeof createClient>;

/** Every failed call as one error type: what kind of failure it was, and the facts to show. */
import type { BackendAnswer } from '../host/bridge';
import type { FieldProblem, Problem } from './types';

export type FailureKind =
  | 'offline'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'invalid'
  | 'too-many'
  | 'unavailable'
  | 'unexpected';

export interface FailureFacts {
  readonly status?: number;
  readonly code?: string;
  readonly traceId?: string;
  readonly problems?: readonly FieldProblem[];
  readonly retryAfterS?: number;
  readonly cause?: unknown;
}

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly traceId: string | undefined;
  readonly problems: readonly FieldProblem[];
  readonly retryAfterS: number | undefined;

  constructor(
    readonly kind: FailureKind,
    message: string,
    facts: FailureFacts = {},
  ) {
    super(message, { cause: facts.cause });
    this.status = facts.status;
    this.code = facts.code;
    this.traceId = facts.traceId;
    this.problems = facts.problems ?? [];
    this.retryAfterS = facts.retryAfterS;
  }

  /** Whether the same call may succeed later without the person changing anything. */
  get isTemporary(): boolean {
    return ['offline', 'unauthenticated', 'too-many', 'unavailable', 'unexpected'].includes(this.kind);
  }
}

const KINDS: Readonly<Record<number, FailureKind>> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  413: 'invalid',
  415: 'invalid',
  422: 'invalid',
  429: 'too-many',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
};

const SENTENCES: Readonly<Record<FailureKind, string>> = {
  offline: 'The service could not be reached. Check your connection and try again.',
  unauthenticated: 'Your session with Confluence has ended. Reload the page to go on.',
  forbidden: 'You may not do this here.',
  'not-found': 'This does not exist, or you may not see it.',
  conflict: 'Somebody changed this in the meantime. Reload and try again.',
  invalid: 'Something in the request was not accepted.',
  'too-many': 'That were many requests in a short time. Wait a moment and try again.',
  unavailable: 'The service is busy at the moment. Try again shortly.',
  unexpected: 'Something went wrong on our side.',
};

export function kindOf(status: number): FailureKind {
  return KINDS[status] ?? 'unexpected';
}

export function sentenceFor(kind: FailureKind): string {
  return SENTENCES[kind];
}

/** A gateway may answer with HTML; such a body says nothing that a person should read. */
function parseProblem(answer: BackendAnswer): Partial<Problem> {
  if (!answer.headers['content-type']?.includes('json')) return {};
  try {
    const parsed: unknown = JSON.parse(answer.body);
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/**
 * The backend's own sentence is shown only where it tells the person what to change; other kinds
 * have one fixed sentence each, so that a page never shows internal wording.
 */
function messageOf(kind: FailureKind, problem: Partial<Problem>): string {
  const own = problem.detail ?? problem.title;
  const speaks = kind === 'invalid' || kind === 'conflict' || kind === 'forbidden';
  return speaks && own ? own : SENTENCES[kind];
}

function retryAfter(answer: BackendAnswer): number | undefined {
  const seconds = Number(answer.headers['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

/** RFC 9457 problem details → `Failure`. */
export function failureOf(answer: BackendAnswer): Failure {
  const problem = parseProblem(answer);
  const kind = kindOf(answer.status);
  const retryAfterS = retryAfter(answer);
  return new Failure(kind, messageOf(kind, problem), {
    status: answer.status,
    ...(problem.code === undefined ? {} : { code: problem.code }),
    ...(problem.traceId === undefined ? {} : { traceId: problem.traceId }),
    ...(problem.problems === undefined ? {} : { problems: problem.problems }),
    ...(retryAfterS === undefined ? {} : { retryAfterS }),
  });
}

export function asFailure(reason: unknown): Failure {
  if (reason instanceof Failure) return reason;
  return new Failure('unexpected', SENTENCES.unexpected, { cause: reason });
}

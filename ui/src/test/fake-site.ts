/** What a small site remembers: posts in Confluence, rows in the backend, and who may do what. */
import type { Answer, Destination, Grants, Question, QuestionDetail } from '../api/types';
import { ALICE, ENGINEERING } from './cast';

export interface StoredPost {
  readonly id: string;
  readonly type: string;
  readonly title: string;
  readonly storage: string;
  readonly authorId: string;
  /** False stands for a post that this person may not see, or that is gone. */
  isVisible: boolean;
}

type Row<Item> = Item & { readonly at: number };

export interface FakeSite {
  accountId: string;
  isAdministrator: boolean;
  grants: Grants;
  mayAccept: boolean;
  readonly posts: Map<string, StoredPost>;
  readonly questions: Map<string, Row<QuestionDetail>>;
  readonly answers: Map<string, Row<Answer>>;
  readonly destinations: Map<string, Destination>;
  nextId: number;
}

const all = { view: true, add: true, delete: true };
const MAY_ALL = {
  ask: true,
  answer: true,
  vote: true,
  takeVoteBack: true,
  addTags: true,
  removeTags: true,
  moderate: false,
  administerSpace: false,
};

export function emptySite(accountId: string = ALICE): FakeSite {
  return {
    accountId,
    isAdministrator: false,
    grants: {
      spaceId: ENGINEERING.id,
      questions: all,
      votes: all,
      tags: all,
      reason: null,
      explanations: {},
      may: MAY_ALL,
    },
    mayAccept: true,
    posts: new Map(),
    questions: new Map(),
    answers: new Map(),
    destinations: new Map(),
    nextId: 1_001,
  };
}

export function addPost(
  site: FakeSite,
  post: { type: string; title: string; storage: string; authorId: string },
): string {
  const id = String(site.nextId++);
  site.posts.set(id, { ...post, id, isVisible: true });
  return id;
}

/** Registers a post as a question; later ones are newer unless `createdAt` says otherwise. */
export function addQuestion(site: FakeSite, id: string, more: Partial<QuestionDetail> = {}): void {
  const post = site.posts.get(id);
  if (!post) throw new Error(`There is no post ${id}.`);
  const createdAt = more.createdAt ?? new Date(Date.UTC(2026, 10, 1) + Number(id) * 60_000).toISOString();
  site.questions.set(id, {
    id,
    spaceId: ENGINEERING.id,
    containerKind: 'space',
    containerId: ENGINEERING.id,
    authorId: post.authorId,
    state: 'unanswered',
    answerCount: 0,
    acceptedCount: 0,
    watchCount: 1,
    closeReason: null,
    duplicateOf: null,
    isLocked: false,
    isPinned: false,
    bounty: null,
    closedAt: null,
    version: 1,
    watch: null,
    tags: [],
    activeAt: createdAt,
    score: 0,
    myVote: 0,
    acceptedAnswerIds: [],
    may: {
      answer: true,
      vote: site.grants.votes.add && post.authorId !== site.accountId,
      downvote: false,
      accept: site.mayAccept,
      moderate: false,
      delete: post.authorId === site.accountId,
    },
    ...more,
    createdAt,
    at: site.nextId++,
  });
}

export function addAnswer(
  site: FakeSite,
  questionId: string,
  id: string,
  more: Partial<Answer> = {},
): Answer {
  const question = site.questions.get(questionId);
  const post = site.posts.get(id);
  if (!question || !post) throw new Error(`There is no question ${questionId} or post ${id}.`);
  const answer = {
    id,
    questionId,
    authorId: post.authorId,
    createdAt: new Date().toISOString(),
    acceptedAt: null,
    acceptedById: null,
    contestedAt: null,
    score: 0,
    myVote: 0,
    ...more,
    at: site.nextId++,
  };
  site.answers.set(id, answer);
  question.answerCount += 1;
  if (answer.acceptedAt) {
    question.acceptedCount += 1;
    question.acceptedAnswerIds.push(id);
  }
  return answer;
}

export function listQuestions(site: FakeSite, search: URLSearchParams): Question[] {
  const byVotes = search.get('order') === 'votes';
  return [...site.questions.values()]
    .filter(({ answerCount }) => search.get('state') !== 'unanswered' || answerCount === 0)
    .sort((a, b) =>
      byVotes && a.score !== b.score
        ? (b.score ?? 0) - (a.score ?? 0)
        : b.createdAt.localeCompare(a.createdAt),
    );
}

export function listAnswers(site: FakeSite, questionId: string): Answer[] {
  return [...site.answers.values()]
    .filter((answer) => answer.questionId === questionId)
    .sort(
      (a, b) =>
        Number(b.acceptedAt !== null) - Number(a.acceptedAt !== null) ||
        (b.score ?? 0) - (a.score ?? 0) ||
        a.at - b.at,
    );
}

export function accept(site: FakeSite, questionId: string, answerId: string | null): void {
  const question = site.questions.get(questionId);
  if (!question) return;
  for (const answer of site.answers.values()) {
    if (answer.questionId !== questionId) continue;
    const isAccepted = answer.id === answerId;
    answer.acceptedAt = isAccepted ? new Date().toISOString() : null;
    answer.acceptedById = isAccepted ? site.accountId : null;
  }
  question.acceptedAnswerIds = answerId ? [answerId] : [];
  question.acceptedCount = answerId ? 1 : 0;
}

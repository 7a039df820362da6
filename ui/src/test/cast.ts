/** The people of our examples: Alice asks, Bob answers, Carol administers. */
export const ALICE = '557058:a11ce000-0000-4000-8000-000000000001';
export const BOB = '557058:b0b00000-0000-4000-8000-000000000002';
export const CAROL = '557058:ca401000-0000-4000-8000-000000000003';

export const NAMES: Readonly<Record<string, string>> = {
  [ALICE]: 'Alice Archer',
  [BOB]: 'Bob Baker',
  [CAROL]: 'Carol Castle',
};

export const ENGINEERING = { id: '65537', key: 'ENG', name: 'Engineering' };

export const TYPES = {
  question: 'ac:community-questions:cq-question',
  answer: 'ac:community-questions:cq-answer',
  vote: 'ac:community-questions:cq-vote',
  tag: 'ac:community-questions:cq-tag',
};

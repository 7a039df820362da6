import { expect, test } from 'vitest';

import { addTag, tagSlug } from './tag-slug';

test.each([
  ['Release Notes', 'release-notes'],
  ['  c++ ', 'c++'],
  ['Node.js', 'node.js'],
  ['.net', 'net'],
  ['#1', '1'],
  ['über_cool', 'über-cool'],
  ['a -- b', 'a-b'],
  ['ﬁle', 'file'],
  ['!?', ''],
  ['\u202e\u0000x', 'x'],
  ['x'.repeat(50), 'x'.repeat(35)],
])('%j becomes the tag %j', (typed, slug) => {
  expect(tagSlug(typed)).toBe(slug);
});

test('a tag is added once, and five are enough', () => {
  const tags = ['a', 'b', 'c', 'd'];

  expect(addTag(tags, 'A')).toBe(tags);
  expect(addTag(tags, 'e')).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(addTag([...tags, 'e'], 'f')).toHaveLength(5);
});

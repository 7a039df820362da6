/** What the tags of an old site become here; the same rule as the backend's, so that none of them is refused. */

export const MOST_TAGS = 5;
const LONGEST = 35;
const SLUG = /^[\p{L}\p{N}_][\p{L}\p{N}_.+#-]*$/u;

/** Null where nothing of the name can be kept. */
export function slugOf(name: string): string | null {
  const slug = name
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKC')
    .trim()
    .replace(/[\s_]+/g, '-')
    .replace(/[^\p{L}\p{N}\-+#.]/gu, '')
    .replace(/^[^\p{L}\p{N}]+/u, '')
    .slice(0, LONGEST)
    .toWellFormed()
    .replace(/\ufffd/g, '');
  return SLUG.test(slug) ? slug : null;
}

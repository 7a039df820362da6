/** How typed words become tags. */

export const MAX_TAGS = 5;
const MAX_LENGTH = 35;

/** Lower case, hyphens for spaces, and of the rest only `+ # .` as in `c++` or `node.js`. */
export function tagSlug(typed: string): string {
  return typed
    .normalize('NFKC')
    .toLowerCase()
    .trim()
    .replace(/[\s_]+/g, '-')
    .replace(/[^\p{L}\p{N}\-+#.]/gu, '')
    .replace(/-+/g, '-')
    .replace(/^[^\p{L}\p{N}]+|-+$/gu, '')
    .slice(0, MAX_LENGTH);
}

export function addTag(tags: readonly string[], typed: string): readonly string[] {
  const slug = tagSlug(typed);
  if (slug === '' || tags.includes(slug) || tags.length >= MAX_TAGS) return tags;
  return [...tags, slug];
}

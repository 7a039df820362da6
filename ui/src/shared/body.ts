/** The shape of a post's text, between Confluence storage format, Markdown and HTML. */

export type Mark = 'strong' | 'em' | 'strike';

export type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'mark'; readonly mark: Mark; readonly children: readonly Inline[] }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'link'; readonly href: string; readonly children: readonly Inline[] }
  | { readonly kind: 'break' }
  | { readonly kind: 'unknown'; readonly source: string };

export type HeadingLevel = 2 | 3 | 4;

/** `source` is the exact storage text of a block that would not come back the same when written anew. */
interface Sourced {
  readonly source?: string;
}

export type Block = Sourced &
  (
    | { readonly kind: 'paragraph'; readonly children: readonly Inline[] }
    | { readonly kind: 'heading'; readonly level: HeadingLevel; readonly children: readonly Inline[] }
    | { readonly kind: 'list'; readonly ordered: boolean; readonly items: readonly (readonly Block[])[] }
    | { readonly kind: 'quote'; readonly children: readonly Block[] }
    | { readonly kind: 'code'; readonly language: string | null; readonly text: string }
    | { readonly kind: 'rule' }
    | { readonly kind: 'unknown'; readonly source: string }
  );

export type Body = readonly Block[];

const SAFE_SCHEMES: readonly string[] = ['http:', 'https:', 'mailto:'];

/** Only absolute web and mail addresses: a relative one would resolve against the app's own origin. */
export function isSafeLink(href: string): boolean {
  try {
    return SAFE_SCHEMES.includes(new URL(href).protocol);
  } catch {
    return false;
  }
}

export const text = (value: string): Inline => ({ kind: 'text', text: value });

/** Joins neighbouring texts and drops empty ones, so that equal bodies have equal shapes. */
export function tidyInlines(children: readonly Inline[]): Inline[] {
  const tidy: Inline[] = [];
  for (const child of children) {
    const last = tidy.at(-1);
    if (child.kind === 'text' && child.text === '') continue;
    if (child.kind === 'text' && last?.kind === 'text') tidy[tidy.length - 1] = text(last.text + child.text);
    else tidy.push(child);
  }
  return tidy;
}

/** A reader of HTML and storage text that accepts everything and builds a shallow tree of it; no DOM, nothing runs. */

export interface HtmlElement {
  readonly kind: 'element';
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: HtmlNode[];
}

export interface HtmlText {
  readonly kind: 'text';
  readonly text: string;
}

export type HtmlNode = HtmlElement | HtmlText;

/** Deeper text is not written by people; the limit keeps every later walk of the tree shallow. */
const MAX_DEPTH = 60;

const VOID = new Set([
  'area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'param', 'source', 'track', 'wbr',
]);
/** What stands inside is not text of the post, and ends only with its own closing tag. */
const RAW = new Set(['script', 'style', 'iframe', 'noscript', 'template', 'textarea', 'title', 'xmp']);
/** An opening tag of one of these ends one of the same that was left open. */
const SELF_ENDING = new Set(['p', 'li', 'tr', 'td', 'th', 'dt', 'dd', 'option']);
/** … but not beyond these. */
const FENCES = new Set(['ul', 'ol', 'table', 'blockquote', 'div', 'td', 'th', 'dl', 'ac:rich-text-body']);

const NAMED: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', ndash: '–', mdash: '—', lsquo: '‘',
  rsquo: '’', ldquo: '“', rdquo: '”', bdquo: '„', sbquo: '‚', laquo: '«', raquo: '»', hellip: '…', bull: '•',
  middot: '·', copy: '©', reg: '®', trade: '™', deg: '°', sect: '§', euro: '€', pound: '£', times: '×',
  rarr: '→', larr: '←', harr: '↔', auml: 'ä', ouml: 'ö', uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü',
  szlig: 'ß', eacute: 'é', egrave: 'è', agrave: 'à', ccedil: 'ç', ntilde: 'ñ', zwj: '\u200d', zwnj: '\u200c',
};

function codePoint(value: number): string {
  const isValid = value > 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
  return isValid ? String.fromCodePoint(value) : '\ufffd';
}

function decode(raw: string): string {
  return raw.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,8}));/gi, (whole, hex, decimal, name) => {
    if (hex) return codePoint(Number.parseInt(hex as string, 16));
    if (decimal) return codePoint(Number(decimal));
    return Object.hasOwn(NAMED, name as string) ? (NAMED[name as string] ?? whole) : whole;
  });
}

/** The name ends at the first character that no name has; everything up to the next `>` belongs to the tag. */
const TAG_NAME = /[A-Za-z][\w:.-]*/y;
const ATTRIBUTE = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>=]+)))?/g;

/** Where the tag ends, quotes respected; -1 where it does not end. */
function tagEnd(source: string, from: number): number {
  let quote = '';
  for (let at = from; at < source.length; at += 1) {
    const character = source[at] as string;
    if (quote) {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at;
  }
  return source.indexOf('>', from);
}

function attributesOf(raw: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name, double, single, bare] of raw.matchAll(ATTRIBUTE)) {
    if (name && !attributes.has(name.toLowerCase())) {
      attributes.set(name.toLowerCase(), decode(double ?? single ?? bare ?? ''));
    }
  }
  return attributes;
}

class Builder {
  /** Raw elements known to have no closing tag any more: looking again each time would take forever. */
  readonly neverClosed = new Set<string>();
  readonly root: HtmlElement = { kind: 'element', name: '', attributes: new Map(), children: [] };
  private readonly open: HtmlElement[] = [this.root];

  private get top(): HtmlElement {
    return this.open[this.open.length - 1] ?? this.root;
  }

  text(text: string): void {
    if (text !== '') this.top.children.push({ kind: 'text', text });
  }

  start(name: string, attributes: Map<string, string>, isClosed: boolean): void {
    if (SELF_ENDING.has(name)) this.endUnclosed(name);
    const element: HtmlElement = { kind: 'element', name, attributes, children: [] };
    this.top.children.push(element);
    if (!isClosed && this.open.length <= MAX_DEPTH) this.open.push(element);
  }

  end(name: string): void {
    const at = this.open.findLastIndex((element) => element.name === name);
    if (at > 0) this.open.length = at;
  }

  private endUnclosed(name: string): void {
    for (let at = this.open.length - 1; at > 0; at -= 1) {
      const open = this.open[at]?.name ?? '';
      if (open === name) {
        this.open.length = at;
        return;
      }
      if (FENCES.has(open)) return;
    }
  }
}

/** After `<`, what is no tag: a comment, a declaration or CDATA. Returns where it ends, or -1. */
function passMarkup(source: string, at: number, builder: Builder): number {
  if (source.startsWith('<![CDATA[', at)) {
    const close = source.indexOf(']]>', at);
    const end = close < 0 ? source.length : close;
    builder.text(source.slice(at + 9, end));
    return close < 0 ? end : end + 3;
  }
  const mark = source.startsWith('<!--', at) ? '-->' : /[!?]/.test(source[at + 1] ?? '') ? '>' : '';
  if (!mark) return -1;
  const close = source.indexOf(mark, at + 2);
  return close < 0 ? source.length : close + mark.length;
}

function readTag(source: string, at: number, builder: Builder): number {
  const isEnd = source[at + 1] === '/';
  TAG_NAME.lastIndex = at + (isEnd ? 2 : 1);
  const name = TAG_NAME.exec(source)?.[0]?.toLowerCase();
  const close = name === undefined ? -1 : tagEnd(source, TAG_NAME.lastIndex);
  if (name === undefined || close < 0) {
    builder.text('<');
    return at + 1;
  }
  if (isEnd) {
    builder.end(name);
    return close + 1;
  }
  const raw = source.slice(TAG_NAME.lastIndex, close);
  const isClosed = VOID.has(name) || raw.endsWith('/') || RAW.has(name);
  builder.start(name, attributesOf(raw), isClosed);
  return RAW.has(name) && !raw.endsWith('/') ? rawEnd(source, name, close + 1, builder) : close + 1;
}

/** The place behind the closing tag of a raw element; one that is never closed ends where it begins. */
function rawEnd(source: string, name: string, from: number, builder: Builder): number {
  if (builder.neverClosed.has(name)) return from;
  const closing = new RegExp(`</${name}\\s*>`, 'gi');
  closing.lastIndex = from;
  if (closing.exec(source)) return closing.lastIndex;
  builder.neverClosed.add(name);
  return from;
}

export function parseHtml(source: string): readonly HtmlNode[] {
  const builder = new Builder();
  const lastTagEnd = source.lastIndexOf('>');
  let at = 0;
  while (at < source.length) {
    const next = source.indexOf('<', at);
    // Behind the last `>` there is no tag, whatever begins like one.
    const isTag = next >= 0 && next < lastTagEnd;
    builder.text(decode(source.slice(at, isTag ? next : source.length)));
    if (!isTag) break;
    const passed = passMarkup(source, next, builder);
    at = passed >= 0 ? passed : readTag(source, next, builder);
  }
  return builder.root.children;
}

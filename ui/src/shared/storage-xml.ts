/** A tolerant reader of Confluence storage XHTML that keeps the place of every element in its source. */

export interface XmlElement {
  readonly kind: 'element';
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlNode[];
  readonly start: number;
  readonly end: number;
}

export interface XmlText {
  readonly kind: 'text';
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export type XmlNode = XmlElement | XmlText;

interface OpenElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlNode[];
  start: number;
}

/** Deeper text is not written by people; the limit keeps every later walk of the tree shallow. */
const MAX_DEPTH = 60;

const NAMED: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', ndash: '–', mdash: '—',
  lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', bdquo: '„', sbquo: '‚', laquo: '«', raquo: '»',
  hellip: '…', bull: '•', middot: '·', copy: '©', reg: '®', trade: '™', deg: '°', sect: '§',
  euro: '€', pound: '£', times: '×', rarr: '→', larr: '←', harr: '↔', auml: 'ä', ouml: 'ö',
  uuml: 'ü', Auml: 'Ä', Ouml: 'Ö', Uuml: 'Ü', szlig: 'ß', eacute: 'é', egrave: 'è', agrave: 'à',
  ccedil: 'ç', ntilde: 'ñ', zwj: '\u200d', zwnj: '\u200c',
};

function codePoint(digits: string, radix: number): string | null {
  const value = Number.parseInt(digits, radix);
  const valid = value > 0 && value <= 0x10ffff && !(value >= 0xd800 && value <= 0xdfff);
  return valid ? String.fromCodePoint(value) : null;
}

/** A reference we do not know stays as it is written. */
function decode(raw: string): string {
  return raw.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{2,8}));/gi, (whole, hex, decimal, name) => {
    if (hex) return codePoint(hex as string, 16) ?? whole;
    if (decimal) return codePoint(decimal as string, 10) ?? whole;
    return NAMED[name as string] ?? whole;
  });
}

const TAG = /<(\/?)([A-Za-z][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const ATTRIBUTE = /([\w.:-]+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g;

function attributesOf(raw: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, double, single] of raw.matchAll(ATTRIBUTE)) {
    if (name) attributes[name] = decode(double ?? single ?? '');
  }
  return attributes;
}

/** Returns null for text that is not well-formed; the caller then treats all of it as unknown. */
export function parseStorage(source: string): readonly XmlNode[] | null {
  const root: OpenElement = { name: '', attributes: {}, children: [], start: 0 };
  const open: OpenElement[] = [root];
  let at = 0;

  const top = (): OpenElement => open[open.length - 1] ?? root;
  const addText = (value: string, start: number, end: number) => {
    if (value !== '') top().children.push({ kind: 'text', text: value, start, end });
  };

  while (at < source.length) {
    if (source[at] !== '<') {
      const next = source.indexOf('<', at);
      const end = next < 0 ? source.length : next;
      addText(decode(source.slice(at, end)), at, end);
      at = end;
      continue;
    }
    if (source.startsWith('<![CDATA[', at)) {
      const close = source.indexOf(']]>', at);
      if (close < 0) return null;
      addText(source.slice(at + 9, close), at, close + 3);
      at = close + 3;
      continue;
    }
    if (source.startsWith('<!--', at)) {
      const close = source.indexOf('-->', at + 4);
      if (close < 0) return null;
      at = close + 3;
      continue;
    }
    TAG.lastIndex = at;
    const tag = TAG.exec(source);
    if (!tag) return null;
    const [whole, closing, name = '', attributes = '', selfClosing] = tag;
    const end = at + whole.length;
    if (closing) {
      const element = open.pop();
      if (!element || element === root || element.name !== name) return null;
      top().children.push({ kind: 'element', ...element, end });
    } else if (selfClosing) {
      top().children.push({
        kind: 'element', name, attributes: attributesOf(attributes), children: [], start: at, end,
      });
    } else {
      if (open.length > MAX_DEPTH) return null;
      open.push({ name, attributes: attributesOf(attributes), children: [], start: at });
    }
    at = end;
  }
  return open.length === 1 ? root.children : null;
}

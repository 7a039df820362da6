/**
 * Confluence storage format ↔ body, both ways and without loss.
 *
 * Known: paragraphs, headings 2–4, bold, italic, strike, code, links, lists, quotes, rules, and code
 * blocks as the `code` macro. Everything else becomes `unknown` and keeps its exact source, and a
 * known block whose own attributes we would drop keeps its source as well: storage that nobody
 * edited is written back as it was read.
 */
import type { Block, Body, HeadingLevel, Inline, Mark } from './body';
import { isSafeLink, text, tidyInlines } from './body';
import type { XmlElement, XmlNode } from './storage-xml';
import { parseStorage } from './storage-xml';

/** XML 1.0 allows neither most control characters nor half surrogate pairs. */
function xmlText(value: string): string {
   
  return value.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '').toWellFormed();
}

function escapeXml(value: string): string {
  return xmlText(value)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

const MARK_TAGS: Readonly<Record<Mark, string>> = { strong: 'strong', em: 'em', strike: 'del' };

function writeInline(inline: Inline): string {
  switch (inline.kind) {
    case 'text':
      return escapeXml(inline.text);
    case 'code':
      return `<code>${escapeXml(inline.text)}</code>`;
    case 'break':
      return '<br/>';
    case 'unknown':
      return inline.source;
    case 'link':
      return `<a href="${escapeXml(inline.href)}">${writeInlines(inline.children)}</a>`;
    case 'mark': {
      const tag = MARK_TAGS[inline.mark];
      return `<${tag}>${writeInlines(inline.children)}</${tag}>`;
    }
  }
}

function writeInlines(inlines: readonly Inline[]): string {
  return inlines.map(writeInline).join('');
}

function writeCode(language: string | null, code: string): string {
  const parameter = language
    ? `<ac:parameter ac:name="language">${escapeXml(language)}</ac:parameter>`
    : '';
  // A CDATA section ends at its first `]]>`, so one inside the text is split over two sections.
  const data = xmlText(code).replaceAll(']]>', ']]]]><![CDATA[>');
  return (
    `<ac:structured-macro ac:name="code" ac:schema-version="1">${parameter}` +
    `<ac:plain-text-body><![CDATA[${data}]]></ac:plain-text-body></ac:structured-macro>`
  );
}

function writeNew(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${writeInlines(block.children)}</p>`;
    case 'heading':
      return `<h${block.level}>${writeInlines(block.children)}</h${block.level}>`;
    case 'list': {
      const tag = block.ordered ? 'ol' : 'ul';
      const items = block.items.map((item) => `<li>${toStorage(item)}</li>`).join('');
      return `<${tag}>${items}</${tag}>`;
    }
    case 'quote':
      return `<blockquote>${toStorage(block.children)}</blockquote>`;
    case 'code':
      return writeCode(block.language, block.text);
    case 'rule':
      return '<hr/>';
    case 'unknown':
      return block.source;
  }
}

export function toStorage(body: Body): string {
  return body.map((block) => block.source ?? writeNew(block)).join('');
}

// --- reading -------------------------------------------------------------------------------

const MARKS: Readonly<Record<string, Mark>> = {
  strong: 'strong', b: 'strong', em: 'em', i: 'em', del: 'strike', s: 'strike', strike: 'strike',
};

/** Storage from older editors uses h1, h5 and h6; the page's own title is the only h1. */
const HEADINGS: Readonly<Record<string, HeadingLevel>> = { h1: 2, h2: 2, h3: 3, h4: 4, h5: 4, h6: 4 };

const BLOCK_NAMES: ReadonlySet<string> = new Set([
  'p', 'ul', 'ol', 'blockquote', 'hr', 'pre', 'div', 'table', 'ac:structured-macro', 'ac:layout',
  'ac:task-list', 'ac:adf-extension', ...Object.keys(HEADINGS),
]);

const isBlank = (node: XmlNode) => node.kind === 'text' && /^[ \t\r\n]*$/.test(node.text);

function plainText(nodes: readonly XmlNode[]): string | null {
  const parts = nodes.map((node) => (node.kind === 'text' ? node.text : null));
  return parts.includes(null) ? null : parts.join('');
}

function readInline(source: string, node: XmlNode): Inline[] {
  if (node.kind === 'text') return [text(node.text)];
  const unknown: Inline[] = [{ kind: 'unknown', source: source.slice(node.start, node.end) }];
  const mark = MARKS[node.name];
  if (mark) return [{ kind: 'mark', mark, children: readInlines(source, node.children) }];
  switch (node.name) {
    case 'br':
      return [{ kind: 'break' }];
    case 'code': {
      const code = plainText(node.children);
      return code === null ? unknown : [{ kind: 'code', text: code }];
    }
    case 'a': {
      const children = readInlines(source, node.children);
      const href = node.attributes.href ?? '';
      // The words of a link with an unsafe or relative address are still worth reading.
      return isSafeLink(href) ? [{ kind: 'link', href, children }] : children;
    }
    case 'span':
    case 'u':
      return readInlines(source, node.children);
    default:
      return unknown;
  }
}

function readInlines(source: string, nodes: readonly XmlNode[]): Inline[] {
  return tidyInlines(nodes.flatMap((node) => readInline(source, node)));
}

function readCodeMacro(element: XmlElement): Block | null {
  if (element.attributes['ac:name'] !== 'code') return null;
  let language: string | null = null;
  let code = '';
  for (const child of element.children) {
    if (child.kind === 'text') continue;
    const value = plainText(child.children);
    if (value === null) return null;
    if (child.name === 'ac:plain-text-body') code = value;
    if (child.name === 'ac:parameter' && child.attributes['ac:name'] === 'language') language = value || null;
  }
  return { kind: 'code', language, text: code };
}

function readList(source: string, element: XmlElement): Block | null {
  const items = element.children.filter((child) => !isBlank(child));
  const areItems = items.every((child) => child.kind === 'element' && child.name === 'li');
  if (!areItems) return null;
  return {
    kind: 'list',
    ordered: element.name === 'ol',
    items: items.map((item) => readBlocks(source, (item as XmlElement).children)),
  };
}

function readElement(source: string, element: XmlElement): Block | null {
  const level = HEADINGS[element.name];
  if (level) return { kind: 'heading', level, children: readInlines(source, element.children) };
  switch (element.name) {
    case 'p':
      return { kind: 'paragraph', children: readInlines(source, element.children) };
    case 'ul':
    case 'ol':
      return readList(source, element);
    case 'blockquote':
      return { kind: 'quote', children: readBlocks(source, element.children) };
    case 'hr':
      return { kind: 'rule' };
    case 'pre': {
      const code = plainText(element.children);
      return code === null ? null : { kind: 'code', language: null, text: code };
    }
    case 'ac:structured-macro':
      return readCodeMacro(element);
    default:
      return null;
  }
}

function withSource(block: Block, source: string): Block {
  return block.kind === 'unknown' || writeNew(block) === source ? block : { ...block, source };
}

/** Inline content that stands where blocks are expected, as in `<li>text</li>`, forms a paragraph. */
function readBlocks(source: string, nodes: readonly XmlNode[]): Block[] {
  const blocks: Block[] = [];
  let run: XmlNode[] = [];

  const closeRun = () => {
    const first = run[0];
    const last = run.at(-1);
    if (first && last && !run.every(isBlank)) {
      const paragraph: Block = { kind: 'paragraph', children: readInlines(source, run) };
      blocks.push(withSource(paragraph, source.slice(first.start, last.end)));
    }
    run = [];
  };

  for (const node of nodes) {
    if (node.kind === 'text' || !BLOCK_NAMES.has(node.name)) {
      run.push(node);
      continue;
    }
    closeRun();
    const raw = source.slice(node.start, node.end);
    blocks.push(withSource(readElement(source, node) ?? { kind: 'unknown', source: raw }, raw));
  }
  closeRun();
  return blocks;
}

/** Never throws: text that is not well-formed becomes one unknown block. */
export function fromStorage(source: string): Body {
  if (source.trim() === '') return [];
  const nodes = parseStorage(source);
  return nodes ? readBlocks(source, nodes) : [{ kind: 'unknown', source }];
}

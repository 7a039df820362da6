/** Markdown, as people type it, → body. HTML in Markdown is text here. */
import MarkdownIt from 'markdown-it';

import type { Block, Body, HeadingLevel, Inline, Mark } from './body';
import { isSafeLink, text, tidyInlines } from './body';

const parser = new MarkdownIt('default', { html: false, linkify: false, breaks: false, maxNesting: 40 })
  // Tables are not part of what we store, and an image is a link until attachments exist.
  .disable('table');

type Token = ReturnType<typeof parser.parse>[number];

const attribute = (token: Token, name: string) => String(token.attrGet(name) ?? '');

const MARKS: Readonly<Record<string, Mark>> = { strong_open: 'strong', em_open: 'em', s_open: 'strike' };

function headingLevel(tag: string): HeadingLevel {
  const level = Number(tag.slice(1));
  if (level <= 2) return 2;
  return level === 3 ? 3 : 4;
}

/** A cursor over markdown-it's flat token list, in which nesting is +1 and −1 tokens. */
interface Cursor {
  readonly tokens: readonly Token[];
  at: number;
}

function readInlines(cursor: Cursor): Inline[] {
  const found: Inline[] = [];
  while (cursor.at < cursor.tokens.length) {
    const token = cursor.tokens[cursor.at++] as Token;
    if (token.nesting === -1) break;
    found.push(...inlineOf(token, cursor));
  }
  return tidyInlines(found);
}

function inlineOf(token: Token, cursor: Cursor): Inline[] {
  const mark = MARKS[token.type];
  if (mark) return [{ kind: 'mark', mark, children: readInlines(cursor) }];
  switch (token.type) {
    case 'code_inline':
      return [{ kind: 'code', text: token.content }];
    case 'hardbreak':
      return [{ kind: 'break' }];
    case 'softbreak':
      return [text('\n')];
    case 'image': {
      const href = attribute(token, 'src');
      const label = token.content || href;
      return isSafeLink(href) ? [{ kind: 'link', href, children: [text(label)] }] : [text(label)];
    }
    case 'link_open': {
      const href = attribute(token, 'href');
      const children = readInlines(cursor);
      return isSafeLink(href) ? [{ kind: 'link', href, children }] : children;
    }
    default:
      return [text(token.content)];
  }
}

function inlineChildren(cursor: Cursor): Inline[] {
  const token = cursor.tokens[cursor.at++];
  cursor.at += 1;
  return readInlines({ tokens: token?.children ?? [], at: 0 });
}

function readItems(cursor: Cursor): Block[][] {
  const items: Block[][] = [];
  while (cursor.tokens[cursor.at]?.type === 'list_item_open') {
    cursor.at += 1;
    items.push(readBlocks(cursor));
  }
  cursor.at += 1;
  return items;
}

function blockOf(token: Token, cursor: Cursor): Block | null {
  switch (token.type) {
    case 'paragraph_open':
      return { kind: 'paragraph', children: inlineChildren(cursor) };
    case 'heading_open':
      return { kind: 'heading', level: headingLevel(token.tag), children: inlineChildren(cursor) };
    case 'bullet_list_open':
    case 'ordered_list_open':
      return { kind: 'list', ordered: token.type === 'ordered_list_open', items: readItems(cursor) };
    case 'blockquote_open':
      return { kind: 'quote', children: readBlocks(cursor) };
    case 'fence':
    case 'code_block': {
      const language = token.info.trim().split(/\s+/)[0] ?? '';
      return { kind: 'code', language: language || null, text: token.content.replace(/\n$/, '') };
    }
    case 'hr':
      return { kind: 'rule' };
    default:
      return null;
  }
}

function readBlocks(cursor: Cursor): Block[] {
  const blocks: Block[] = [];
  while (cursor.at < cursor.tokens.length) {
    const token = cursor.tokens[cursor.at++] as Token;
    if (token.nesting === -1) break;
    const block = blockOf(token, cursor);
    if (block) blocks.push(block);
  }
  return blocks;
}

export function fromMarkdown(source: string): Body {
  return readBlocks({ tokens: parser.parse(source, {}), at: 0 });
}

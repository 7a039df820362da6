/**
 * HTML, or storage text of a Confluence that is gone, → a post's text.
 *
 * Only what our own editor could have written comes out: nothing of the source is passed on as it stands, so a
 * script, a style, an event attribute or a foreign macro cannot reach Confluence. What is not kept is named.
 */
import type { Block, HeadingLevel, Inline, Mark } from '../../shared/body';
import { isSafeLink, text, tidyInlines } from '../../shared/body';
import { fromMarkdown } from '../../shared/markdown';
import type { HtmlElement, HtmlNode } from './html-tree';
import { parseHtml } from './html-tree';
import type { OldText } from './old-site';

const MARKS: Readonly<Record<string, Mark>> = {
  strong: 'strong', b: 'strong', em: 'em', i: 'em', del: 'strike', s: 'strike', strike: 'strike',
};
const HEADINGS: Readonly<Record<string, HeadingLevel>> = { h1: 2, h2: 2, h3: 3, h4: 4, h5: 4, h6: 4 };
/** Elements whose content is kept without them, because they add nothing that is missed. */
const TRANSPARENT = new Set([
  'p', 'div', 'span', 'u', 'section', 'article', 'main', 'font', 'small', 'big', 'kbd', 'samp', 'var', 'tt', 'tbody',
  'thead', 'abbr', 'cite', 'ac:rich-text-body', 'ac:plain-text-link-body', 'ac:link-body', 'html', 'body', 'center', 'ins',
]);
const BLOCKS = new Set([
  'p', 'div', 'section', 'article', 'main', 'ul', 'ol', 'blockquote', 'hr', 'pre', 'table', 'ac:structured-macro',
  'ac:macro', 'ac:rich-text-body', 'html', 'body', 'center', 'tbody', 'thead', 'tr', 'dl', 'dt', 'dd',
  ...Object.keys(HEADINGS),
]);
/** Elements whose content is not text of the post. */
const DROPPED = new Set([
  'script', 'style', 'iframe', 'noscript', 'template', 'textarea', 'title', 'xmp', 'object', 'embed', 'head', 'ac:parameter',
  'svg', 'math', 'form', 'input', 'button', 'select', 'ri:attachment', 'ri:page', 'ri:user', 'link', 'meta', 'base',
]);

const own = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

function plain(nodes: readonly HtmlNode[]): string {
  return nodes
    .map((node) => (node.kind === 'text' ? node.text : node.name === 'br' ? '\n' : plain(node.children)))
    .join('');
}

class Reader {
  readonly unsupported = new Set<string>();

  blocks(nodes: readonly HtmlNode[]): Block[] {
    const blocks: Block[] = [];
    let run: HtmlNode[] = [];
    const closeRun = () => {
      const children = trimmed(this.inlines(run));
      if (children.length > 0) blocks.push({ kind: 'paragraph', children });
      run = [];
    };
    for (const node of nodes) {
      if (node.kind === 'text' || !this.isBlock(node)) {
        run.push(node);
        continue;
      }
      closeRun();
      blocks.push(...this.block(node));
    }
    closeRun();
    return blocks;
  }

  /** Marks and links may hold blocks in careless HTML; such an element is taken apart. */
  private isBlock(element: HtmlElement): boolean {
    return BLOCKS.has(element.name) || element.children.some((child) => child.kind === 'element' && this.isBlock(child));
  }

  private block(element: HtmlElement): Block[] {
    const level = own(HEADINGS, element.name);
    if (level) return [{ kind: 'heading', level, children: trimmed(this.inlines(element.children)) }];
    switch (element.name) {
      case 'ul':
      case 'ol':
        return this.list(element);
      case 'blockquote':
        return [{ kind: 'quote', children: this.blocks(element.children) }];
      case 'hr':
        return [{ kind: 'rule' }];
      case 'pre':
        return [{ kind: 'code', language: languageOf(element), text: plain(element.children).replace(/^\n|\n$/g, '') }];
      case 'table':
        return this.table(element);
      case 'ac:structured-macro':
      case 'ac:macro':
        return this.macro(element);
      default:
        this.note(element);
        return DROPPED.has(element.name) ? [] : this.blocks(element.children);
    }
  }

  private list(element: HtmlElement): Block[] {
    const items = element.children
      .filter((child) => child.kind === 'element' || child.text.trim() !== '')
      .map((child) => this.blocks(child.kind === 'element' && child.name === 'li' ? child.children : [child]));
    return items.length > 0 ? [{ kind: 'list', ordered: element.name === 'ol', items }] : [];
  }

  /** Our posts have no tables: each row becomes a paragraph with its cells apart. */
  private table(element: HtmlElement): Block[] {
    this.unsupported.add('table');
    const rows: HtmlElement[] = [];
    const collect = (node: HtmlNode) => {
      if (node.kind === 'text') return;
      if (node.name === 'tr') rows.push(node);
      else node.children.forEach(collect);
    };
    collect(element);
    return rows.flatMap((row): Block[] => {
      const cells = row.children.filter((cell) => cell.kind === 'element').map((cell) => plain(cell.children).trim());
      const line = cells.filter((cell) => cell !== '').join(' | ');
      return line ? [{ kind: 'paragraph', children: [text(line.replace(/\s+/g, ' '))] }] : [];
    });
  }

  private macro(element: HtmlElement): Block[] {
    const name = element.attributes.get('ac:name') ?? '';
    const child = (wanted: string) =>
      element.children.find((one): one is HtmlElement => one.kind === 'element' && one.name === wanted);
    const source = child('ac:plain-text-body');
    if (source && (name === 'code' || name === 'noformat')) {
      const language = element.children.find(
        (one): one is HtmlElement =>
          one.kind === 'element' && one.name === 'ac:parameter' && one.attributes.get('ac:name') === 'language',
      );
      return [{ kind: 'code', language: safeLanguage(language ? plain(language.children) : ''), text: plain(source.children) }];
    }
    this.unsupported.add(`macro ${name.slice(0, 40) || 'without a name'}`);
    if (source) return [{ kind: 'code', language: null, text: plain(source.children) }];
    return this.blocks(child('ac:rich-text-body')?.children ?? []);
  }

  private inlines(nodes: readonly HtmlNode[]): Inline[] {
    return tidyInlines(nodes.flatMap((node) => this.inline(node)));
  }

  private inline(node: HtmlNode): Inline[] {
    if (node.kind === 'text') return [text(node.text.replace(/[ \t\r\n\f]+/g, ' '))];
    const mark = own(MARKS, node.name);
    if (mark) {
      const children = this.inlines(node.children);
      return children.length > 0 ? [{ kind: 'mark', mark, children }] : [];
    }
    switch (node.name) {
      case 'br':
        return [{ kind: 'break' }];
      case 'code':
        return [{ kind: 'code', text: plain(node.children) }];
      case 'a':
        return this.link(node);
      case 'img':
        return this.image(node);
      default:
        this.note(node);
        return DROPPED.has(node.name) ? [] : this.inlines(node.children);
    }
  }

  private link(element: HtmlElement): Inline[] {
    const href = element.attributes.get('href') ?? '';
    const children = this.inlines(element.children);
    if (children.length === 0) return [];
    if (isSafeLink(href)) return [{ kind: 'link', href, children }];
    if (href !== '') this.unsupported.add('relative or unsafe link');
    return children;
  }

  /** The picture stays behind on the old site; its address is better than nothing. */
  private image(element: HtmlElement): Inline[] {
    this.unsupported.add('image');
    const source = element.attributes.get('src') ?? '';
    const label = element.attributes.get('alt')?.trim() || source;
    if (isSafeLink(source)) return [{ kind: 'link', href: source, children: [text(label)] }];
    return label && !label.startsWith('data:') ? [text(label)] : [];
  }

  private note(element: HtmlElement): void {
    if (!TRANSPARENT.has(element.name)) this.unsupported.add(element.name.slice(0, 40));
  }
}

/** Without the white space and line breaks at both ends, which HTML does not show. */
function trimmed(inlines: readonly Inline[]): Inline[] {
  const kept = [...inlines];
  const trimEnd = (at: 0 | -1) => {
    for (;;) {
      const inline = kept.at(at);
      if (inline === undefined || (inline.kind !== 'break' && inline.kind !== 'text')) return;
      const rest = inline.kind === 'break' ? '' : at === 0 ? inline.text.trimStart() : inline.text.trimEnd();
      if (rest !== '') {
        kept[at === 0 ? 0 : kept.length - 1] = text(rest);
        return;
      }
      kept.splice(at, 1);
    }
  };
  trimEnd(0);
  trimEnd(-1);
  return kept;
}

function safeLanguage(name: string): string | null {
  return /^[\w#+.-]{1,30}$/.test(name) ? name : null;
}

/** Stack writes `<pre class="lang-py …">`, many others `<pre><code class="language-py">`. */
function languageOf(element: HtmlElement): string | null {
  const inner = element.children.find((child): child is HtmlElement => child.kind === 'element' && child.name === 'code');
  const classes = [element, inner].map((one) => one?.attributes.get('class') ?? '').join(' ');
  const named = /\blang(?:uage)?-([\w#+.-]{1,30})/.exec(classes)?.[1] ?? '';
  return safeLanguage(named === 'none' || named === 'default' ? '' : named);
}

export function textOfHtml(source: string): OldText {
  const reader = new Reader();
  const body = reader.blocks(parseHtml(source));
  return { body, unsupported: [...reader.unsupported].sort() };
}

/** A body whose language the file does not tell: HTML where it looks like it, else Markdown. */
export function textOf(source: string): OldText {
  return /<\/?[a-z][\w:-]*(\s[^<>]*)?\/?>/i.test(source) ? textOfHtml(source) : textOfMarkdown(source);
}

export function textOfMarkdown(source: string): OldText {
  return { body: fromMarkdown(source), unsupported: [] };
}

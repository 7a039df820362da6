/** Body → HTML for reading; the caller sanitises it again before it reaches the page. */
import type { Block, Body, Inline, Mark } from './body';

const UNKNOWN_NOTE = 'This part can only be shown on the Confluence page.';

function escapeHtml(value: string): string {
  return value
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

const TAGS: Readonly<Record<Mark, string>> = { strong: 'strong', em: 'em', strike: 's' };

function inline(node: Inline): string {
  switch (node.kind) {
    case 'text':
      return escapeHtml(node.text);
    case 'code':
      return `<code>${escapeHtml(node.text)}</code>`;
    case 'break':
      return '<br>';
    case 'unknown':
      return `<span class="cq-unknown-inline">${UNKNOWN_NOTE}</span>`;
    case 'link':
      return `<a href="${escapeHtml(node.href)}">${inlines(node.children)}</a>`;
    case 'mark':
      return `<${TAGS[node.mark]}>${inlines(node.children)}</${TAGS[node.mark]}>`;
  }
}

function inlines(nodes: readonly Inline[]): string {
  return nodes.map(inline).join('');
}

function block(node: Block): string {
  switch (node.kind) {
    case 'paragraph':
      return `<p>${inlines(node.children)}</p>`;
    case 'heading':
      // The page's title is h1 and its sections are h2, so headings inside a post start at h3.
      return `<h${node.level + 1}>${inlines(node.children)}</h${node.level + 1}>`;
    case 'list': {
      const tag = node.ordered ? 'ol' : 'ul';
      return `<${tag}>${node.items.map((item) => `<li>${toHtml(item)}</li>`).join('')}</${tag}>`;
    }
    case 'quote':
      return `<blockquote>${toHtml(node.children)}</blockquote>`;
    case 'code':
      return `<pre tabindex="0"><code>${escapeHtml(node.text)}</code></pre>`;
    case 'rule':
      return '<hr>';
    case 'unknown':
      return `<p class="cq-unknown">${UNKNOWN_NOTE}</p>`;
  }
}

export function toHtml(body: Body): string {
  return body.map(block).join('');
}

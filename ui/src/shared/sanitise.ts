/** The last gate before a post's HTML enters the page: an allow-list, whatever produced the HTML. */
import DOMPurify from 'dompurify';

import { isSafeLink } from './body';

const TAGS = [
  'p', 'h3', 'h4', 'h5', 'strong', 'em', 's', 'code', 'pre', 'a', 'ul', 'ol', 'li', 'blockquote',
  'hr', 'br', 'span',
];

const purifier = DOMPurify(window);

purifier.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return;
  const href = node.getAttribute('href');
  if (href === null || !isSafeLink(href)) {
    node.removeAttribute('href');
    return;
  }
  // The frame may not navigate itself, and the target page must learn nothing about this one.
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer nofollow');
});

export function sanitise(html: string): string {
  return purifier.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['href', 'class', 'tabindex'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

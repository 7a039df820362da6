import { expect, test } from 'vitest';

import { toHtml } from './post-html';
import { sanitise } from './sanitise';
import { fromStorage } from './storage';

const shown = (storage: string) => {
  const host = document.createElement('div');
  host.innerHTML = sanitise(toHtml(fromStorage(storage)));
  return host;
};

test.each([
  '<img src=x onerror=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<a href="javascript:alert(1)" onclick="x()">x</a>',
  '<p style="position:fixed" id="root" data-x="1">x</p>',
  '<iframe srcdoc="x"></iframe><form action="/x"><input></form>',
])('%s leaves nothing that acts', (html) => {
  const clean = sanitise(html);
  expect(clean).not.toMatch(/script|onerror|onclick|style=|id=|data-|<img|<svg|<iframe|<form|<input|javascript/i);
});

test('hostile words in a post are shown as words', () => {
  const host = shown('<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>');

  expect(host.textContent).toBe('<script>alert(1)</script>');
  expect(host.querySelector('script')).toBeNull();
});

test('markup of storage that we do not know is not carried over', () => {
  const host = shown('<p>a</p><script>alert(1)</script><iframe src="https://example.org"></iframe>');

  expect(host.querySelector('script, iframe')).toBeNull();
  expect(host.textContent).toContain('can only be shown on the Confluence page');
});

test('a link opens elsewhere and tells nothing about this page', () => {
  const link = shown('<p><a href="https://example.org/">x</a></p>').querySelector('a');

  expect(link?.getAttribute('rel')).toBe('noopener noreferrer nofollow');
  expect(link?.getAttribute('target')).toBe('_blank');
});

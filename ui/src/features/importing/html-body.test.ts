import fc from 'fast-check';
import { expect, test } from 'vitest';

import { fromStorage, toStorage } from '../../shared/storage';
import { textOf, textOfHtml } from './html-body';

const storage = (html: string) => toStorage(textOfHtml(html).body);

test.each([
  ['<p>One <b>two</b> <i>three</i></p>', '<p>One <strong>two</strong> <em>three</em></p>'],
  ['<p>a<p>b', '<p>a</p><p>b</p>'],
  ['<ul><li>a<li>b <ol><li>c</ol></ul>', '<ul><li><p>a</p></li><li><p>b</p><ol><li><p>c</p></li></ol></li></ul>'],
  ['x<br>y<hr>z', '<p>x<br/>y</p><hr/><p>z</p>'],
  ['<h1>Top</h1><h6>Low</h6>', '<h2>Top</h2><h4>Low</h4>'],
  ['a &lt;b&gt; &amp; &eacute; &#x1F600; &bogus;', '<p>a &lt;b&gt; &amp; é 😀 &amp;bogus;</p>'],
  ['<a href="https://example.org/?a=1&amp;b=2">x</a>', '<p><a href="https://example.org/?a=1&amp;b=2">x</a></p>'],
  ['a < b and c > d', '<p>a &lt; b and c &gt; d</p>'],
  ['<b><p>in</p><p>side</p></b>', '<p>in</p><p>side</p>'],
])('%s becomes %s', (html, expected) => {
  expect(storage(html)).toBe(expected);
});

test.each([
  ['<pre class="lang-py s-code-block"><code>print(1 &lt; 2)\n</code></pre>', 'py', 'print(1 < 2)'],
  ['<pre><code class="language-sql">SELECT 1</code></pre>', 'sql', 'SELECT 1'],
  [
    '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">java</ac:parameter><ac:plain-text-body><![CDATA[a <b> c]]></ac:plain-text-body></ac:structured-macro>',
    'java',
    'a <b> c',
  ],
])('code is kept with its language: %s', (html, language, code) => {
  expect(textOfHtml(html)).toEqual({ body: [{ kind: 'code', language, text: code }], unsupported: [] });
});

test('what is not kept is named, and its words stay where they are words', () => {
  const { body, unsupported } = textOfHtml(
    '<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>' +
      '<p><img src="https://old.example/x.png" alt="chart"> <a href="/relative">here</a></p>' +
      '<ac:structured-macro ac:name="info"><ac:rich-text-body><p>note</p></ac:rich-text-body></ac:structured-macro>',
  );

  expect(toStorage(body)).toBe(
    '<p>a | b</p><p>1 | 2</p><p><a href="https://old.example/x.png">chart</a> here</p><p>note</p>',
  );
  expect(unsupported).toEqual(['image', 'macro info', 'relative or unsafe link', 'table']);
});

test.each([
  '<script>alert(1)</script>',
  '<SCRIPT SRC=//evil.example></SCRIPT>',
  '<scr<script>ipt>alert(1)</script>',
  '<img src=x onerror="alert(1)">',
  '<a href="javascript:alert(1)">x</a>',
  '<a href=" java\tscript:alert(1)">x</a>',
  '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  '<svg><script>alert(1)</script></svg>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<p style="background:url(javascript:alert(1))" onclick="alert(1)">x</p>',
  '<style>@import "//evil.example";</style>',
  '<ac:structured-macro ac:name="html"><ac:plain-text-body><![CDATA[<script>alert(1)</script>]]></ac:plain-text-body></ac:structured-macro>',
  '<ac:structured-macro ac:name="include"><ac:parameter ac:name="">secret page</ac:parameter></ac:structured-macro>',
  '<ri:user ri:account-id="x"/>',
  '<pre>]]></ac:plain-text-body><script>alert(1)</script></pre>',
  '<!--><script>alert(1)</script>-->',
])('nothing hostile gets through: %s', (html) => {
  const made = storage(html);

  // Outside of CDATA sections no tag or attribute but our own is left.
  const outside = made.replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, '');
  expect(outside).not.toMatch(/<\/?(script|style|svg|iframe|img|ri:)/i);
  expect(outside).not.toMatch(/\son\w+=|javascript:|srcdoc|style=/i);
  expect(outside).not.toMatch(/ac:name="(html|include)"/);
});

test('whatever the text, storage comes out that our own reader knows in full', () => {
  const piece = fc.constantFrom('<', '>', '</', '"', "'", '&', ']]>', '<![CDATA[', '<!--', 'p', 'script', 'ac:macro', 'a href=', 'x', ' ', '\n');
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), (pieces) => {
      const made = storage(pieces.join(''));
      const isKnown = (body: ReturnType<typeof fromStorage>): boolean =>
        body.every((block) => {
          if (block.kind === 'unknown') return false;
          if (block.kind === 'list') return block.items.every(isKnown);
          return block.kind === 'quote' ? isKnown(block.children) : true;
        });
      expect(isKnown(fromStorage(made))).toBe(true);
    }),
  );
});

test.each([
  ['tags without an end', '<a "'.repeat(300_000)],
  ['raw elements without an end', '<script>'.repeat(200_000) + '>'],
  ['deep nesting', '<div><b>'.repeat(200_000)],
  ['closing tags only', '</p>'.repeat(300_000)],
  ['comments without an end', '<!--'.repeat(300_000)],
  ['ten megabytes of text', 'word '.repeat(2_000_000)],
])('%s take no more than moments', (_, html) => {
  const started = performance.now();
  textOfHtml(html);
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('text without tags is Markdown', () => {
  expect(toStorage(textOf('**bold** and `a < b`').body)).toBe('<p><strong>bold</strong> and <code>a &lt; b</code></p>');
  expect(toStorage(textOf('<b>bold</b> **not**').body)).toBe('<p><strong>bold</strong> **not**</p>');
});

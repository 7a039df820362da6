import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Block, Body, Inline } from './body';
import { text, tidyInlines } from './body';
import { fromMarkdown } from './markdown';
import { fromStorage, toStorage } from './storage';

/** Text as XML can carry it; carriage returns are left out because XML readers normalise them. */
const words = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
   
  .map((value) => value.replace(/[\u0000-\u001f\ufffe\uffff]/g, '').toWellFormed())
  .filter((value) => value.trim() !== '');

const href = fc.oneof(
  fc.webUrl({ withQueryParameters: true }),
  words.map((name) => `mailto:${encodeURIComponent(name)}@example.org`),
);

const { inline, block } = fc.letrec<{ inline: Inline; inlines: Inline[]; block: Block; blocks: Block[] }>(
  (tie) => ({
    inline: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      words.map(text),
      words.map((code): Inline => ({ kind: 'code', text: code })),
      fc.constant<Inline>({ kind: 'break' }),
      fc.record({
        kind: fc.constant('mark' as const),
        mark: fc.constantFrom('strong' as const, 'em' as const, 'strike' as const),
        children: tie('inlines'),
      }),
      fc.record({ kind: fc.constant('link' as const), href, children: tie('inlines') }),
    ),
    inlines: fc.array(tie('inline'), { minLength: 1, maxLength: 4 }).map(tidyInlines),
    block: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      fc.record({ kind: fc.constant('paragraph' as const), children: tie('inlines') }),
      fc.record({
        kind: fc.constant('heading' as const),
        level: fc.constantFrom(2 as const, 3 as const, 4 as const),
        children: tie('inlines'),
      }),
      fc.record({
        kind: fc.constant('code' as const),
        language: fc.option(fc.constantFrom('python', 'c++', 'bash')),
        text: fc.oneof(words, fc.constantFrom(']]>', 'a]]>b]]>', 'x < y && z > 1\n\tif', '<p>')),
      }),
      fc.constant<Block>({ kind: 'rule' }),
      fc.record({ kind: fc.constant('quote' as const), children: tie('blocks') }),
      fc.record({
        kind: fc.constant('list' as const),
        ordered: fc.boolean(),
        items: fc.array(tie('blocks'), { minLength: 1, maxLength: 3 }),
      }),
    ),
    blocks: fc.array(tie('block'), { minLength: 1, maxLength: 3 }),
  }),
);
const body: fc.Arbitrary<Body> = fc.array(block, { maxLength: 5 });

describe('body → storage → body', () => {
  test('every body of the subset comes back unchanged', () => {
    fc.assert(
      fc.property(body, (written) => {
        expect(fromStorage(toStorage(written))).toEqual(written);
      }),
      { numRuns: 300 },
    );
  });

  test('what is written is well-formed XML', () => {
    const parser = new DOMParser();
    fc.assert(
      fc.property(fc.array(inline, { minLength: 1, maxLength: 4 }).map(tidyInlines), (children) => {
        const storage = toStorage([{ kind: 'paragraph', children }]);
        const wrapped = `<root xmlns:ac="urn:ac" xmlns:ri="urn:ri">${storage}</root>`;
        expect(parser.parseFromString(wrapped, 'text/xml').querySelector('parsererror')).toBeNull();
      }),
      { numRuns: 50 },
    );
  });

  test('characters that XML forbids are left out', () => {
    expect(toStorage([{ kind: 'paragraph', children: [text('a\u0000b\ud800c')] }])).toBe('<p>ab\ufffdc</p>');
  });
});

describe('storage → body → storage', () => {
  test('text that nobody edited is written back as it was read', () => {
    const kept = fc.constantFrom(
      '<p style="text-align: center;">centred</p>',
      '<p local-id="1">a<strong>b</strong>&nbsp;c</p>',
      '<ac:structured-macro ac:name="jira"><ac:parameter ac:name="key">A-1</ac:parameter></ac:structured-macro>',
      '<ac:structured-macro ac:name="code" ac:macro-id="7"><ac:parameter ac:name="title">T</ac:parameter><ac:plain-text-body><![CDATA[x]]></ac:plain-text-body></ac:structured-macro>',
      '<table><tbody><tr><td><p>1</p></td></tr></tbody></table>',
      '<p>Ask <ac:link><ri:user ri:account-id="5"/></ac:link> first</p>',
      '<ul><li>bare</li><li><p>wrapped</p><ul><li>deeper</li></ul></li></ul>',
      '<p><a href="javascript:alert(1)">x</a></p>',
      'loose text',
    );
    fc.assert(
      fc.property(fc.array(kept, { maxLength: 4 }), (parts) => {
        // Loose text beside loose text is one run, so the parts are held apart by a known block.
        const storage = parts.join('<hr/>');
        expect(toStorage(fromStorage(storage))).toBe(storage);
      }),
    );
  });

  test('any string is read without an exception, and nothing of it is lost', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('<', '>', '/', 'p', 'a', '&', ';', '"', '!', '[', ']', ' ', 'x') }), (source) => {
        const again = toStorage(fromStorage(source));
        expect(again === source || again === '' || source.includes(again)).toBe(true);
      }),
    );
  });

  test.each([
    ['never closed', '<p>one'],
    ['crossed', '<p><strong>one</p></strong>'],
    ['open CDATA', '<p><![CDATA[one</p>'],
    ['too deep', '<div>'.repeat(5_000) + '</div>'.repeat(5_000)],
  ])('text that is not well-formed (%s) is one unknown block', (_what, source) => {
    expect(fromStorage(source)).toEqual([{ kind: 'unknown', source }]);
  });

  test('an unknown macro is kept and does not hide its neighbours', () => {
    const macro = '<ac:structured-macro ac:name="toc"/>';
    expect(fromStorage(`<p>before</p>${macro}<p>after</p>`)).toEqual([
      { kind: 'paragraph', children: [text('before')] },
      { kind: 'unknown', source: macro },
      { kind: 'paragraph', children: [text('after')] },
    ]);
  });

  test('a code block may contain the end mark of its own section', () => {
    const storage = toStorage([{ kind: 'code', language: null, text: 'a]]>b' }]);

    expect(storage).toContain('<![CDATA[a]]]]><![CDATA[>b]]>');
  });

  test.each(['javascript:alert(1)', 'data:text/html,x', '/wiki/x', 'java\nscript:x', ' '])(
    'a link to %j keeps its words and loses its address',
    (address) => {
      const [paragraph] = fromStorage(`<p><a href="${address}">words</a></p>`);
      expect(paragraph).toMatchObject({ kind: 'paragraph', children: [text('words')] });
    },
  );
});

describe('Markdown → storage', () => {
  test.each([
    ['**a** *b* ~~c~~ `d`', '<p><strong>a</strong> <em>b</em> <del>c</del> <code>d</code></p>'],
    ['# One\n\n### Three', '<h2>One</h2><h3>Three</h3>'],
    ['- a\n- b\n  1. c', '<ul><li><p>a</p></li><li><p>b</p><ol><li><p>c</p></li></ol></li></ul>'],
    ['> quoted', '<blockquote><p>quoted</p></blockquote>'],
    ['[x](https://example.org/?a=1&b=2)', '<p><a href="https://example.org/?a=1&amp;b=2">x</a></p>'],
    ['[x](javascript:alert(1))', '<p>[x](javascript:alert(1))</p>'],
    ['[x](/relative)', '<p>x</p>'],
    ['<img src=x onerror=alert(1)>', '<p>&lt;img src=x onerror=alert(1)&gt;</p>'],
    ['![cat](https://example.org/cat.png)', '<p><a href="https://example.org/cat.png">cat</a></p>'],
    ['one  \ntwo', '<p>one<br/>two</p>'],
    ['a\n\n---\n\nb', '<p>a</p><hr/><p>b</p>'],
  ])('%j', (markdown, storage) => {
    expect(toStorage(fromMarkdown(markdown))).toBe(storage);
  });

  test('a fenced block keeps its language and its text', () => {
    const [code] = fromMarkdown('```python title=x\nif a < b:\n    pass\n```');
    expect(code).toEqual({ kind: 'code', language: 'python', text: 'if a < b:\n    pass' });
  });

  test('whatever is typed becomes storage that reads back the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('*', '_', '`', '#', '-', '>', '\n', ' ', '[', ']', '(', ')', '<', '~', 'a', '1', '.') }), (markdown) => {
        const storage = toStorage(fromMarkdown(markdown));
        expect(toStorage(fromStorage(storage))).toBe(storage);
      }),
    );
  });
});

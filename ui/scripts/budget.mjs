/** Fails when a view's first load exceeds the budget: 200 KB of JavaScript, 35 KB of CSS, gzipped. */
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const KB = 1024;
const LIMITS = { js: 200 * KB, css: 35 * KB };
const DIST = new URL('../dist/', import.meta.url);
const ENTRY = 'src/main.tsx';

/** What a person downloads to see each view: the entry and the chunk that the view loads lazily. */
const VIEWS = {
  questions: [ENTRY],
  question: [ENTRY, 'src/question-view.tsx'],
  ask: [ENTRY, 'src/features/questions/ask-form.tsx'],
  admin: [ENTRY, 'src/features/destinations/destinations-page.tsx'],
};

const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', DIST), 'utf8'));

function closure(keys, seen = new Set()) {
  for (const key of keys) {
    if (seen.has(key)) continue;
    if (!manifest[key]) throw new Error(`The manifest has no "${key}".`);
    seen.add(key);
    closure(manifest[key].imports ?? [], seen);
  }
  return seen;
}

const gzipped = (file) => gzipSync(readFileSync(new URL(file, DIST)), { level: 9 }).length;
const inKb = (bytes) => `${(bytes / KB).toFixed(1)} KB`;

const css = gzipped(manifest['style.css'].file);
let isOver = css > LIMITS.css;
console.log(`stylesheet  ${inKb(css)} of ${inKb(LIMITS.css)}`);

for (const [view, keys] of Object.entries(VIEWS)) {
  const js = [...closure(keys)].reduce((sum, key) => sum + gzipped(manifest[key].file), 0);
  isOver ||= js > LIMITS.js;
  console.log(`${view.padEnd(10)}  ${inKb(js)} of ${inKb(LIMITS.js)}`);
}

if (isOver) {
  console.error('A first view is over its budget.');
  process.exitCode = 1;
}

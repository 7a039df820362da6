/** Lint rules: strict TypeScript, hooks, and the direction in which folders may import. */
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const FEATURES = ['questions', 'answers', 'votes', 'accepting', 'destinations', 'importing'];

/** One folder's forbidden imports; tests of a folder may use the fakes of `src/test`. */
function boundary(files, groups) {
  return {
    files,
    ignores: ['src/**/*.test.{ts,tsx}'],
    rules: {
      'no-restricted-imports': ['error', { patterns: groups.map(([group, message]) => ({ group, message })) }],
    },
  };
}

const noTest = [['**/test/*'], 'Fakes belong to tests and to the development page.'];
const noApp = [['**/app', '**/main'], 'Imports run downwards: only main.tsx imports the application.'];

export default tseslint.config(
  { ignores: ['dist', 'node_modules', 'scripts', '*.mjs', 'src/api/schema.ts'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
  },
  hooks.configs.flat['recommended-latest'],
  {
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-console': 'error',
      'no-restricted-globals': [
        'error',
        { name: 'AP', message: 'Only src/host speaks to the Connect bridge.' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'window', property: 'AP', message: 'Only src/host speaks to the Connect bridge.' },
      ],
    },
  },
  { files: ['src/host/**'], rules: { 'no-restricted-properties': 'off', 'no-restricted-globals': 'off' } },
  boundary(
    ['src/host/**'],
    [[['**/api/*', '**/features/**', '**/shared/*'], 'host is the lowest layer.'], noTest, noApp],
  ),
  boundary(
    ['src/api/**'],
    [[['**/features/**', '**/shared/*'], 'api may import host only.'], noTest, noApp],
  ),
  boundary(
    ['src/shared/**'],
    [[['**/host/*', '**/api/*', '**/features/**'], 'shared holds presentation and pure text work.'], noTest, noApp],
  ),
  ...FEATURES.map((feature) =>
    boundary(
      [`src/features/${feature}/**`],
      [
        [['**/host/*'], 'Features reach the host through api.'],
        [
          FEATURES.filter((other) => other !== feature).map((other) => `**/${other}/*`),
          'Features never import each other; app.tsx composes them.',
        ],
        noTest,
        noApp,
      ],
    ),
  ),
);

/** Build and test configuration of the front end. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

import { adsAliases, adsTheme } from './build/ads.mts';

export default defineConfig({
  // The backend serves `dist/assets/*` under this address; see README.md.
  base: '/ui/',
  plugins: [react(), adsTheme()],
  resolve: {
    alias: adsAliases,
    // Atlaskit's newer entry points save about 20 kB of transpiled code.
    mainFields: ['module:es2019', 'browser', 'module', 'jsnext:main', 'jsnext'],
    dedupe: ['react', 'react-dom'],
  },
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    manifest: true,
    // One stylesheet keeps the order of atomic rules and lets the page name a single file.
    cssCodeSplit: false,
    target: 'es2022',
    modulePreload: { polyfill: false },
    rolldownOptions: { input: 'src/main.tsx' },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/test/setup.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
    css: false,
    restoreMocks: true,
    testTimeout: 15_000,
    server: { deps: { inline: [/@atlaskit\//, /@compiled\//] } },
  },
});

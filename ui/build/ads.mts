/** Build-time handling of the Atlassian Design System: a static theme stylesheet and two replaced packages. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Alias, Plugin } from 'vite';

const THEME_ID = 'virtual:ads-theme.css';
const THEMES = ['light', 'dark', 'spacing', 'shape', 'typography'] as const;

interface ThemeStyle {
  id: string;
  css: string;
}

/** Outweighs the host script's theme files, whose selectors name `html` and at most two attributes. */
const OURS = 'html:root:root:root';

/**
 * The host chooses light or dark; the values are ours. Its script also loads theme files of a much
 * older tokens release, and half old, half new colours and fonts would not fit our components.
 * Scales apply always, and light colours also where `<html>` has no theme attributes.
 */
function pinned({ id, css }: ThemeStyle): string {
  const raised = css.replaceAll('html[data-', `${OURS}[data-`);
  if (id === 'light') return raised.replace(OURS, `:root,\n${OURS}`);
  if (id === 'dark') return raised;
  return raised.replace(OURS, `${OURS},\n${OURS}`);
}

async function themeCss(): Promise<string> {
  const require = createRequire(import.meta.url);
  // Token files ask for feature gates; without a resolver the client would log and keep defaults.
  const flags = require('@atlaskit/platform-feature-flags') as {
    setBooleanFeatureFlagResolver: (resolve: () => boolean) => void;
  };
  flags.setBooleanFeatureFlagResolver(() => false);
  const { default: getThemeStyles } = require('@atlaskit/tokens/get-theme-styles') as {
    default: (which: 'all') => Promise<ThemeStyle[]>;
  };
  const styles = await getThemeStyles('all');
  return THEMES.map((id) => {
    const style = styles.find((candidate) => candidate.id === id);
    if (!style) throw new Error(`The tokens package has no theme "${id}".`);
    return pinned(style);
  }).join('\n');
}

/** Serves `virtual:ads-theme.css`; shipping it as a file keeps `style-src 'self'` free of inline code. */
export function adsTheme(): Plugin {
  return {
    name: 'ads-theme',
    resolveId: (id) => (id === THEME_ID ? `\0${THEME_ID}` : null),
    load: (id) => (id === `\0${THEME_ID}` ? themeCss() : null),
  };
}

const file = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/**
 * Feature gates would load a telemetry client, and the scroll lock writes a style tag that the
 * content security policy refuses; both are replaced by pass-through modules.
 */
export const adsAliases: Alias[] = [
  {
    find: /^@atlaskit\/feature-gate-js-client(\/feature-gates)?$/,
    replacement: file('./feature-gates.ts'),
  },
  { find: /^react-scrolllock$/, replacement: file('./scroll-lock.ts') },
];

/** Starts the application in the page that the backend serves. */
import './flags';
import '@atlaskit/css-reset';
import 'virtual:ads-theme.css';
import './app.css';

import { createRoot } from 'react-dom/client';

import { App } from './app';
import { connectBridge, findAp } from './host/connect';
import { forgetToken, readPage } from './host/page';
import { browserStorage } from './shared/browser-storage';
import { ProblemNotice } from './shared/notice';

function start(): void {
  const root = document.getElementById('root');
  if (!root) throw new Error('The page has no #root element.');
  const page = readPage(root, window);
  forgetToken(window);
  const tree = createRoot(root);
  const ap = findAp(window);
  if (!ap) {
    tree.render(
      <ProblemNotice
        headingLevel="h1"
        title="This page belongs inside Confluence"
        message="Open Community Questions from a Confluence space."
      />,
    );
    return;
  }
  const bridge = connectBridge(ap, page.context);
  const storage = browserStorage(window);
  // Waiting for the theme avoids a flash of light colours on a dark page.
  void bridge.enableTheme().then(() => {
    tree.render(<App bridge={bridge} page={page} storage={storage} />);
  });
}

start();

/** The application inside one frame: opens the services, then shows the view that is asked for. */
import { lazy, type RefObject, Suspense, useCallback, useEffect, useRef, useState } from 'react';

import { resume } from './api/posting';
import { openServices, type Services, ServicesContext } from './api/services';
import { useLoad } from './api/use-load';
import { QuestionList } from './features/questions/question-list';
import { ImportSection } from './features/importing/import-section';
import type { HostBridge } from './host/bridge';
import type { PageStart } from './host/page';
import { type Route, startRoute, stateFor } from './routes';
import { EmptyNotice, ProblemNotice } from './shared/notice';
import { PageSkeleton } from './shared/skeletons';
import { type Go, useRoute } from './use-route';

const QuestionView = lazy(async () => ({ default: (await import('./question-view')).QuestionView }));
const AskForm = lazy(async () => ({ default: (await import('./features/questions/ask-form')).AskForm }));
const DestinationsPage = lazy(async () => ({
  default: (await import('./features/destinations/destinations-page')).DestinationsPage,
}));

interface ViewProps {
  readonly route: Route;
  readonly spaceId: string | null;
  readonly go: Go;
  readonly onResume: () => Promise<readonly string[]>;
}

function View({ route, spaceId, go, onResume }: ViewProps) {
  const toList = () => go({ view: 'questions' });
  if (route.view === 'admin') {
    return (
      <DestinationsPage>
        <ImportSection />
      </DestinationsPage>
    );
  }
  if (route.view === 'question') return <QuestionView key={route.id} id={route.id} onList={toList} />;
  if (!spaceId) {
    return (
      <main className="cq-page">
        <EmptyNotice title="Open a space first">
          Questions belong to a space. Choose a space and then “Questions” in its sidebar.
        </EmptyNotice>
      </main>
    );
  }
  const toQuestion = (id: string) => go({ view: 'question', id });
  if (route.view === 'ask') {
    return <AskForm spaceId={spaceId} onAsked={(id) => go({ view: 'question', id }, true)} onLeave={toList} onResume={onResume} />;
  }
  return <QuestionList spaceId={spaceId} onOpen={toQuestion} onAsk={() => go({ view: 'ask' })} />;
}

/** How often registrations that are still pending are tried while the page is open. */
const RESUME_EVERY_MS = 30_000;

/** Registers what earlier visits could not; `count` changes when something new became visible. */
function useResume(services: Services) {
  const [count, setCount] = useState(0);
  const onResume = useCallback(async () => {
    const done = await resume(services.posting);
    return done.map(({ contentId }) => contentId);
  }, [services]);

  useEffect(() => {
    const tryPending = async () => {
      if (services.pending.list().length === 0) return;
      const registered = await onResume();
      if (registered.length > 0) setCount((last) => last + 1);
    };
    void tryPending();
    const timer = setInterval(() => void tryPending(), RESUME_EVERY_MS);
    return () => clearInterval(timer);
  }, [onResume, services]);

  return { count, onResume };
}

/** A new view starts at its top, for eyes and for the keyboard; the first one leaves focus alone. */
function useViewChange(state: string, bridge: HostBridge): RefObject<HTMLDivElement> {
  const view = useRef<HTMLDivElement>(null);
  const shown = useRef(state);

  useEffect(() => {
    if (shown.current === state) return;
    shown.current = state;
    view.current?.focus();
    bridge.scrollToTop();
  }, [state, bridge]);

  return view;
}

interface FrameProps {
  readonly services: Services;
  readonly bridge: HostBridge;
  readonly page: PageStart;
}

function Frame({ services, bridge, page }: FrameProps) {
  const [start] = useState(() => startRoute(page));
  const [route, go] = useRoute(bridge.history, start);
  const { count, onResume } = useResume(services);
  // Only the list is shown anew: a form that is being written must not be taken away.
  const key = route.view === 'questions' ? `questions-${count}` : route.view;
  const view = useViewChange(stateFor(route), bridge);
  return (
    <ServicesContext.Provider value={services}>
      <div className="cq-view" tabIndex={-1} ref={view}>
        <Suspense fallback={<PageSkeleton what="the page" />}>
          <View key={key} route={route} spaceId={page.context.spaceId} go={go} onResume={onResume} />
        </Suspense>
      </div>
    </ServicesContext.Provider>
  );
}

interface Props {
  readonly bridge: HostBridge;
  readonly page: PageStart;
  readonly storage: Storage;
}

export function App({ bridge, page, storage }: Props) {
  const open = useCallback(() => openServices(bridge, storage), [bridge, storage]);
  const { data: services, failure, reload } = useLoad(open);
  if (services) return <Frame services={services} bridge={bridge} page={page} />;
  if (!failure) return <PageSkeleton what="the page" />;
  return (
    <main className="cq-page">
      <ProblemNotice
        headingLevel="h1"
        title="Community Questions could not start"
        message={failure.message}
        traceId={failure.traceId}
        onRetry={reload}
      />
    </main>
  );
}

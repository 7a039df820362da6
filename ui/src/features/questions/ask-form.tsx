/** Asking: title, text and tags; the draft stays in the browser until Confluence has the text. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import SectionMessage from '@atlaskit/section-message';
import TextField from '@atlaskit/textfield';
import { type FormEvent, useCallback, useState } from 'react';

import { type Posted, publish } from '../../api/posting';
import { asFailure, type Failure } from '../../api/problem';
import { useServices } from '../../api/services';
import { useLoad } from '../../api/use-load';
import { draftKey, useDraft } from '../../shared/drafts';
import { Field } from '../../shared/field';
import { InternalLink } from '../../shared/internal-link';
import { MarkdownEditor, readMarkdown } from '../../shared/markdown-editor';
import { ProblemNotice } from '../../shared/notice';
import { toStorage } from '../../shared/storage';
import { askRefusal } from './ask-refusal';
import { TagInput } from './tag-input';

interface Draft {
  readonly title: string;
  readonly body: string;
  readonly tags: readonly string[];
}

const EMPTY: Draft = { title: '', body: '', tags: [] };
const TITLE_LIMIT = 255;

function hasText(draft: Draft): boolean {
  return draft.title !== '' || draft.body !== '' || draft.tags.length > 0;
}

interface FieldProblems {
  readonly title?: string;
  readonly body?: string;
}

function problemsOf(draft: Draft): FieldProblems {
  const title = draft.title.trim();
  return {
    ...(title === '' ? { title: 'Give your question a title.' } : {}),
    ...(title.length > TITLE_LIMIT ? { title: `Use at most ${TITLE_LIMIT} characters.` } : {}),
    ...(draft.body.trim() === '' ? { body: 'Describe what you want to know.' } : {}),
  };
}

type Unlisted = Exclude<Posted, { outcome: 'registered' }>;

interface SavedProps {
  readonly posted: Unlisted;
  readonly isBusy: boolean;
  readonly onList: () => void;
  readonly onRetry: () => void;
}

function SavedNotice({ posted, isBusy, onList, onRetry }: SavedProps) {
  const willRetry = posted.outcome === 'saved';
  return (
    <div role="status">
      <SectionMessage appearance="warning" title="Your question is saved in Confluence">
        <p className="cq-notice__text">
          {willRetry
            ? 'Nothing is lost. It is not in the list of questions yet, because our service did not answer. We try again by ourselves, also the next time you open this page.'
            : `Nothing is lost, but it was not added to the list of questions: ${posted.failure.message}`}
        </p>
        {posted.failure.traceId && (
          <p className="cq-notice__trace">
            Trace id: <code>{posted.failure.traceId}</code>
          </p>
        )}
        <div className="cq-notice__actions">
          {willRetry && (
            <Button spacing="compact" isLoading={isBusy} onClick={onRetry}>
              Try again now
            </Button>
          )}
          <Button spacing="compact" appearance="subtle" onClick={onList}>
            Go to all questions
          </Button>
        </div>
      </SectionMessage>
    </div>
  );
}

interface Props {
  readonly spaceId: string;
  readonly onAsked: (contentId: string) => void;
  readonly onLeave: () => void;
  /** Tries what is pending; resolves with the ids that are registered now. */
  readonly onResume: () => Promise<readonly string[]>;
}

export function AskForm({ spaceId, onAsked, onLeave, onResume }: Props) {
  const { me, site, storage, client, posting, flag } = useServices();
  const key = draftKey({ site, accountId: me.accountId }, `space:${spaceId}`);
  const { draft, change, clear } = useDraft<Draft>(storage, key, EMPTY);
  const grants = useLoad(useCallback(() => client.grants(spaceId), [client, spaceId]));
  const [problems, setProblems] = useState<FieldProblems>({});
  const [failure, setFailure] = useState<Failure | null>(null);
  const [unlisted, setUnlisted] = useState<Unlisted | null>(null);
  const [isBusy, setBusy] = useState(false);
  const mayAsk = grants.data?.questions.add !== false;
  const mayTag = grants.data?.tags.add !== false;

  const send = async () => {
    const found = problemsOf(draft);
    setProblems(found);
    setFailure(null);
    if (Object.keys(found).length > 0) return;
    setBusy(true);
    try {
      const post = {
        type: me.contentTypes.question,
        container: { spaceId },
        title: draft.title.trim(),
        storage: toStorage(await readMarkdown(draft.body)),
      };
      const tags = mayTag ? draft.tags : [];
      const posted = await publish(posting, post, { kind: 'question', tags }, clear);
      if (posted.outcome !== 'registered') {
        setUnlisted(posted);
        return;
      }
      flag({ kind: 'success', title: 'Your question is published' });
      onAsked(posted.contentId);
    } catch (reason) {
      setFailure(asFailure(reason));
    } finally {
      setBusy(false);
    }
  };

  const retry = async () => {
    setBusy(true);
    const registered = await onResume();
    setBusy(false);
    if (unlisted && registered.includes(unlisted.contentId)) onAsked(unlisted.contentId);
  };

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!isBusy) void send();
  };

  return (
    <main className="cq-page">
      <nav aria-label="Back">
        <InternalLink onFollow={onLeave}>← All questions</InternalLink>
      </nav>
      <Heading size="large" as="h1">
        Ask a question
      </Heading>
      {unlisted && (
        <SavedNotice posted={unlisted} isBusy={isBusy} onList={onLeave} onRetry={() => void retry()} />
      )}
      {!unlisted && !mayAsk && (
        <SectionMessage appearance="information" title="You cannot ask in this space">
          <p className="cq-notice__text">{askRefusal(grants.data)}</p>
        </SectionMessage>
      )}
      {failure && (
        <ProblemNotice
          title="Your question was not published"
          message={`${failure.message} Your text is kept here.`}
          traceId={failure.traceId}
        />
      )}
      {!unlisted && mayAsk && (
        <form className="cq-form" noValidate onSubmit={submit}>
          <Field
            label="Title"
            isRequired
            problem={problems.title}
            hint="One sentence that a colleague would search for."
          >
            {(control) => (
              <TextField
                {...control}
                value={draft.title}
                isRequired
                isInvalid={problems.title !== undefined}
                isDisabled={isBusy}
                maxLength={TITLE_LIMIT}
                autoComplete="off"
                placeholder="How do I get access to the staging cluster?"
                onChange={(event) => change({ title: event.currentTarget.value })}
              />
            )}
          </Field>
          <MarkdownEditor
            label="Details"
            value={draft.body}
            problem={problems.body}
            isDisabled={isBusy}
            minimumRows={10}
            placeholder="What have you tried, and what happened?"
            onChange={(body) => change({ body })}
            onSubmit={submit}
          />
          {mayTag && (
            <TagInput tags={draft.tags} isDisabled={isBusy} onChange={(tags) => change({ tags })} />
          )}
          <div className="cq-form__actions">
            <Button type="submit" appearance="primary" isLoading={isBusy}>
              Publish question
            </Button>
            <Button appearance="subtle" isDisabled={isBusy} onClick={onLeave}>
              Cancel
            </Button>
            {hasText(draft) && <span className="cq-muted">Your draft is kept in this browser.</span>}
          </div>
        </form>
      )}
    </main>
  );
}

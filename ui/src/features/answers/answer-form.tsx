/** Writing an answer: the draft stays in the browser until Confluence has the text. */
import Button from '@atlaskit/button/new';
import Heading from '@atlaskit/heading';
import SectionMessage from '@atlaskit/section-message';
import { type FormEvent, useState } from 'react';

import { type Posted, publish } from '../../api/posting';
import { asFailure, type Failure } from '../../api/problem';
import { useServices } from '../../api/services';
import { draftKey, useDraft } from '../../shared/drafts';
import { MarkdownEditor, readMarkdown } from '../../shared/markdown-editor';
import { ProblemNotice } from '../../shared/notice';
import { toStorage } from '../../shared/storage';

type Unlisted = Exclude<Posted, { outcome: 'registered' }>;

interface Props {
  readonly questionId: string;
  readonly questionTitle: string;
  readonly onPosted: () => void;
}

/** Confluence's limit for a title is 255 characters; people never see this one in our pages. */
const TITLE_LIMIT = 255;

function answerTitle(questionTitle: string): string {
  // A cut in the middle of a surrogate pair would leave half a character.
  return `Answer: ${questionTitle}`.slice(0, TITLE_LIMIT).toWellFormed();
}

export function AnswerForm({ questionId, questionTitle, onPosted }: Props) {
  const { me, site, storage, posting, flag } = useServices();
  const key = draftKey({ site, accountId: me.accountId }, `answer:${questionId}`);
  const { draft, change, clear } = useDraft(storage, key, { body: '' });
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [failure, setFailure] = useState<Failure | null>(null);
  const [unlisted, setUnlisted] = useState<Unlisted | null>(null);

  const send = async () => {
    setFailure(null);
    setUnlisted(null);
    if (draft.body.trim() === '') {
      setProblem('Write an answer first.');
      return;
    }
    setProblem(undefined);
    setBusy(true);
    try {
      const post = {
        type: me.contentTypes.answer,
        container: { customContentId: questionId },
        title: answerTitle(questionTitle),
        storage: toStorage(await readMarkdown(draft.body)),
      };
      const posted = await publish(posting, post, { kind: 'answer', questionId }, clear);
      if (posted.outcome === 'registered') {
        flag({ kind: 'success', title: 'Your answer is published' });
        onPosted();
      } else {
        setUnlisted(posted);
      }
    } catch (reason) {
      setFailure(asFailure(reason));
    } finally {
      setBusy(false);
    }
  };

  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!isBusy) void send();
  };

  return (
    <form className="cq-form cq-answer-form" noValidate onSubmit={submit}>
      <Heading size="small" as="h2">
        Your answer
      </Heading>
      {failure && (
        <ProblemNotice
          title="Your answer was not published"
          message={`${failure.message} Your text is kept here.`}
          traceId={failure.traceId}
        />
      )}
      {unlisted && (
        <div role="status">
          <SectionMessage appearance="warning" title="Your answer is saved in Confluence">
            <p className="cq-notice__text">
              {unlisted.outcome === 'saved'
                ? 'It is not listed here yet. We try again by ourselves; you need not send it again.'
                : `It was not added to this list: ${unlisted.failure.message}`}
            </p>
          </SectionMessage>
        </div>
      )}
      <MarkdownEditor
        label="Answer"
        value={draft.body}
        problem={problem}
        isDisabled={isBusy}
        minimumRows={6}
        placeholder="Explain what to do, and why it works."
        onChange={(body) => {
          setProblem(undefined);
          change({ body });
        }}
        onSubmit={submit}
      />
      <div className="cq-form__actions">
        <Button type="submit" appearance="primary" isLoading={isBusy}>
          Publish answer
        </Button>
        {draft.body !== '' && <span className="cq-muted">Your draft is kept in this browser.</span>}
      </div>
    </form>
  );
}

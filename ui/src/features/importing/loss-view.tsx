/** The loss report on the page: what is kept in one sentence, and what is not in lists that unfold. */
import Heading from '@atlaskit/heading';

import type { Loss } from './loss';
import { plural, voteReason } from './words';

interface ListProps {
  readonly title: string;
  readonly lines: readonly string[];
}

/** A list that nobody reads to its end is cut; the downloaded report holds all of it. */
const LINES_SHOWN = 100;

function LossList({ title, lines }: ListProps) {
  if (lines.length === 0) return null;
  return (
    <details>
      <summary>{title}</summary>
      <ul>
        {lines.slice(0, LINES_SHOWN).map((line, index) => (
          <li key={index}>{line}</li>
        ))}
        {lines.length > LINES_SHOWN && <li>… and {plural(lines.length - LINES_SHOWN, 'more', 'more')}; the report has them all</li>}
      </ul>
    </details>
  );
}

const total = (counts: readonly { readonly count: number }[]) => counts.reduce((sum, { count }) => sum + count, 0);

export function LossView({ loss }: { readonly loss: Loss }) {
  const { unmappedAuthors, droppedVotes, unsupportedMarkup, titles, times, tags, notes, neverKept } = loss;
  return (
    <section aria-labelledby="cq-loss-title">
      <Heading size="small" as="h3" id="cq-loss-title">
        What will be imported, and what will not
      </Heading>
      <p>
        {plural(loss.questions, 'question')}, {plural(loss.answers, 'answer')} and {plural(loss.comments, 'comment')} will be
        imported. Comments are written by you, and name their author and day.
      </p>
      {loss.votesWithoutVoters > 0 && (
        <p>{plural(loss.votesWithoutVoters, 'vote')} in the file name no voter. Scores without voters are not kept.</p>
      )}
      <LossList
        title={`${plural(unmappedAuthors.length, 'person', 'people')} without an account here: their posts show a former user`}
        lines={unmappedAuthors.map(({ name, count }) => `${name === '?' ? 'Author unknown' : name}: ${plural(count, 'post')}`)}
      />
      <LossList
        title={`${plural(total(droppedVotes), 'vote')} left out`}
        lines={droppedVotes.map(({ name, count }) => `${count}: ${voteReason(name)}`)}
      />
      <LossList
        title={`${plural(unsupportedMarkup.length, 'kind')} of markup that is not kept`}
        lines={unsupportedMarkup.map(({ name, count }) => `${name}: in ${plural(count, 'text')}`)}
      />
      <LossList title={`${plural(titles.length, 'title')} changed`} lines={titles.map(({ where, what }) => `${where} ${what}`)} />
      <LossList title={`${plural(times.length, 'time')} put right`} lines={times.map(({ where, what }) => `${where} ${what}`)} />
      <LossList
        title={`${plural(tags.length, 'tag')} changed or left out`}
        lines={tags.map(({ from, to, count }) => `${from} → ${to ?? 'left out'} (${count})`)}
      />
      <LossList title={`${plural(notes.length, 'entry', 'entries')} passed over`} lines={notes.map(({ where, what }) => `${where} ${what}`)} />
      <LossList
        title={`${plural(neverKept.length, 'thing')} that no import keeps`}
        lines={neverKept.map(({ where, what }) => `${where} ${what}`)}
      />
    </section>
  );
}

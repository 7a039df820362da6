/** A moment as people say it, with the exact time on hover. */
import { useMemo } from 'react';

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short' });

export function sayTime(moment: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - moment.getTime()) / 1_000);
  for (const [unit, length] of STEPS) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return 'just now';
}

interface Props {
  readonly at: string;
}

export function Time({ at }: Props) {
  const moment = useMemo(() => new Date(at), [at]);
  return (
    <time dateTime={at} title={exact.format(moment)}>
      {sayTime(moment, new Date())}
    </time>
  );
}

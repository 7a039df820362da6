/** A person's picture and name; without a picture, their initials. */
import { useState } from 'react';

const TONES = 6;

/** The same person has the same colour everywhere, without anything being stored. */
function toneOf(name: string): number {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9_973;
  return sum % TONES;
}

const letters = new Intl.Segmenter('en', { granularity: 'grapheme' });

function firstLetter(word: string): string {
  for (const { segment } of letters.segment(word)) return segment.toUpperCase();
  return '';
}

function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  const last = words.length > 1 ? words.at(-1) : undefined;
  return firstLetter(words[0] ?? '?') + firstLetter(last ?? '');
}

interface Props {
  readonly name: string;
  readonly pictureUrl: string | null;
}

export function Person({ name, pictureUrl }: Props) {
  const [isBroken, setBroken] = useState(false);
  return (
    <span className="cq-person">
      {pictureUrl && !isBroken ? (
        <img
          className="cq-person__picture"
          src={pictureUrl}
          alt=""
          width={20}
          height={20}
          referrerPolicy="no-referrer"
          onError={() => setBroken(true)}
        />
      ) : (
        <span className={`cq-person__picture cq-tone-${toneOf(name)}`} aria-hidden="true">
          {initialsOf(name)}
        </span>
      )}
      <span className="cq-person__name">{name}</span>
    </span>
  );
}

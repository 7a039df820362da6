/** A field that turns typed words into tags: comma or Enter adds, Backspace removes the last. */
import CrossIcon from '@atlaskit/icon/core/cross';
import { type KeyboardEvent, useId, useRef, useState } from 'react';

import { addTag, MAX_TAGS } from './tag-slug';

interface Props {
  readonly tags: readonly string[];
  readonly isDisabled: boolean;
  readonly onChange: (tags: readonly string[]) => void;
}

export function TagInput({ tags, isDisabled, onChange }: Props) {
  const [typed, setTyped] = useState('');
  const [news, setNews] = useState('');
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const isFull = tags.length >= MAX_TAGS;

  const add = (words: string) => {
    const next = addTag(tags, words);
    setTyped('');
    if (next === tags) return;
    onChange(next);
    setNews(`Tag ${next.at(-1) ?? ''} added.`);
  };
  const remove = (tag: string) => {
    onChange(tags.filter((other) => other !== tag));
    setNews(`Tag ${tag} removed.`);
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const last = tags.at(-1);
    if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      add(typed);
    } else if (event.key === 'Backspace' && typed === '' && last) {
      remove(last);
    }
  };

  return (
    <div className="cq-field">
      <label className="cq-field__label" htmlFor={id}>
        Tags
      </label>
      <div className="cq-tagbox">
        {tags.map((tag) => (
          <span className="cq-tag cq-tag--removable" key={tag}>
            {tag}
            <button
              type="button"
              className="cq-tag__remove"
              aria-label={`Remove tag ${tag}`}
              disabled={isDisabled}
              onClick={() => remove(tag)}
            >
              <CrossIcon label="" size="small" />
            </button>
          </span>
        ))}
        <input
          ref={input}
          id={id}
          className="cq-tagbox__input"
          value={typed}
          disabled={isDisabled}
          readOnly={isFull}
          autoComplete="off"
          placeholder={tags.length === 0 ? 'kubernetes, onboarding' : ''}
          aria-describedby={`${id}-hint`}
          onChange={(event) => {
            const { value } = event.currentTarget;
            if (value.endsWith(',')) add(value.slice(0, -1));
            else setTyped(value);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => add(typed)}
        />
      </div>
      <p className="cq-field__hint" id={`${id}-hint`}>
        {isFull ? `That is all: ${MAX_TAGS} tags at most.` : `Up to ${MAX_TAGS}. Press Enter or comma after each.`}
      </p>
      <span className="cq-sr" role="status">
        {news}
      </span>
    </div>
  );
}

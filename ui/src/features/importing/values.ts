/** Reading values of parsed JSON whose shape nobody promises. */
import type { Note } from './old-site';

export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first of the names that holds something; own properties only, so that `__proto__` names nothing. */
export function first(json: Json, ...names: readonly string[]): unknown {
  for (const name of names) {
    const value = Object.hasOwn(json, name) ? json[name] : undefined;
    if (value !== undefined && value !== null && value !== '') return value;
  }
  return undefined;
}

export function asText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : null;
}

/** An id as text, short enough to be sent; null for anything else. */
export function asId(value: unknown): string | null {
  const id = asText(value)?.trim() ?? '';
  return id !== '' && id.length <= 100 ? id : null;
}

export function asNumber(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

export function asBoolean(value: unknown): boolean {
  return value === true || value === 1 || /^(true|yes|1|y)$/i.test(asText(value) ?? '');
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** ECMAScript's largest time; beyond it a date is none. */
const LATEST_MS = 8.64e15;
/** Numbers below this are seconds: as milliseconds they would all be before April 1970. */
const LARGEST_SECONDS = 1e10;

/** RFC 3339 of a time given as text, seconds or milliseconds. Text without a zone is taken as UTC. */
export function asTime(value: unknown): string | null {
  const number = asNumber(value);
  if (number !== null) {
    const ms = Math.abs(number) < LARGEST_SECONDS ? number * 1_000 : number;
    return Math.abs(ms) <= LATEST_MS ? new Date(ms).toISOString() : null;
  }
  const text = asText(value)?.trim() ?? '';
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return null;
  const hasZone = /(z|[+-]\d{2}:?\d{2})$/i.test(text) && text.length > 10;
  const hasTime = text.length > 10;
  const full = hasZone || !hasTime ? text : `${text}Z`;
  const ms = Date.parse(full.replace(/^(\S{10}) /, '$1T').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

/** Collects what was passed over; a hostile file may hold a million oddities, a person reads a few hundred. */
const MOST_NOTES = 500;

export function noteBook() {
  const notes: Note[] = [];
  let more = 0;
  return {
    add: (where: string, what: string) => {
      if (notes.length < MOST_NOTES) notes.push({ where, what });
      else more += 1;
    },
    all: (): readonly Note[] =>
      more === 0 ? notes : [...notes, { where: 'And', what: `${more} more of the same kind` }],
  };
}

export type NoteBook = ReturnType<typeof noteBook>;

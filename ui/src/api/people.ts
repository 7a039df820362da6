/** Looking people up by account id, where a former user has none. */
import type { Person } from './confluence';

/** The account ids among those given, each once. */
export function accountsOf(ids: readonly (string | null)[]): string[] {
  return [...new Set(ids.filter((id) => id !== null))];
}

export function personOf(people: ReadonlyMap<string, Person>, id: string | null): Person | null {
  return id === null ? null : (people.get(id) ?? null);
}

/** What to call the author of a post: an account that Confluence does not show has no name either. */
export function nameOf(person: Person | null, id: string | null): string {
  return person?.name ?? (id === null ? 'Former user' : 'Somebody');
}

/** Who the people of the old site are here: a CSV of two columns, old user and account id. */
import { csvRows } from './csv-rows';
import type { Note } from './old-site';

export interface AccountMap {
  readonly accounts: ReadonlyMap<string, string>;
  readonly notes: readonly Note[];
}

export const NO_ACCOUNTS: AccountMap = { accounts: new Map(), notes: [] };

const ACCOUNT_ID = /^[A-Za-z0-9:-]{1,128}$/;

/** The first row is a header where its second cell is no account id of Atlassian's usual length. */
export function parseAccountMap(text: string): AccountMap {
  const accounts = new Map<string, string>();
  const notes: Note[] = [];
  csvRows(text).forEach(([oldUser = '', accountId = ''], index) => {
    const [user, account] = [oldUser.trim(), accountId.trim()];
    const where = `Row ${index + 1}`;
    if (index === 0 && account.length < 12) return;
    if (user === '' || account === '') notes.push({ where, what: 'lacks the old user or the account id' });
    else if (!ACCOUNT_ID.test(account)) notes.push({ where, what: 'holds no account id in its second cell' });
    else if (accounts.has(user) && accounts.get(user) !== account) {
      notes.push({ where, what: `gives “${user}” a second account; the first one counts` });
    } else accounts.set(user, account);
  });
  return { accounts, notes };
}

/** CSV with the header `id,title,body,author,created,tags,answer_of,accepted`; order and letter case do not matter. */
import { csvRecords } from './csv-rows';
import { textOf } from './html-body';
import type { OldAnswer, OldQuestion, OldSite } from './old-site';
import { Unreadable } from './old-site';
import { asBoolean, asId, asTime, noteBook } from './values';

const COLUMNS = ['id', 'title', 'body', 'author', 'created', 'tags', 'answer_of', 'accepted'];

export function parseCsv(text: string): OldSite {
  const records = csvRecords(text);
  const names = [...(records[0]?.keys() ?? [])];
  const missing = ['id', 'title', 'body'].filter((name) => !names.includes(name));
  if (records.length === 0) throw new Unreadable('The CSV file has no rows below its header.');
  if (missing.length > 0) throw new Unreadable(`The header of the CSV file lacks ${missing.join(', ')}.`);
  const notes = noteBook();
  for (const name of names) {
    if (!COLUMNS.includes(name)) notes.add('Header', `the column “${name.slice(0, 40)}” is not known and is left out`);
  }

  const answers = new Map<string, OldAnswer[]>();
  const questions: (Omit<OldQuestion, 'answers'> & { readonly id: string })[] = [];
  records.forEach((record, index) => {
    const cell = (name: string) => record.get(name)?.trim() ?? '';
    const [where, id, parent] = [`Row ${index + 2}`, asId(cell('id')), asId(cell('answer_of'))];
    if (id === null) {
      notes.add(where, 'has no id and is left out');
      return;
    }
    const post = {
      oldId: `post:${id}`,
      author: asId(cell('author')),
      createdAt: asTime(cell('created')),
      text: textOf(record.get('body') ?? ''),
      votes: [],
      countedVotes: 0,
      comments: [],
    };
    if (parent === null) {
      const tags = cell('tags').split(/[;,|]|\s+/).filter((tag) => tag !== '');
      questions.push({ ...post, id, title: cell('title'), tags, activeAt: null, bounty: null, closed: null });
      return;
    }
    const answer = { ...post, isAccepted: asBoolean(cell('accepted')), acceptedAt: null };
    const siblings = answers.get(parent);
    if (siblings) siblings.push(answer);
    else answers.set(parent, [answer]);
  });

  const whole = questions.map(({ id, ...question }): OldQuestion => {
    const own = answers.get(id) ?? [];
    answers.delete(id);
    return { ...question, answers: own };
  });
  for (const [parent, orphans] of answers) {
    for (const orphan of orphans) notes.add(orphan.oldId, `answers ${parent}, which is not in the file, and is left out`);
  }
  return { questions: whole, notes: notes.all() };
}

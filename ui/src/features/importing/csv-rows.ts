/** Rows of a CSV file (RFC 4180), with comma, semicolon or tab between the cells. */
import { Unreadable } from './old-site';

const SEPARATORS = [',', ';', '\t'] as const;

function separatorOf(text: string): string {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  const count = (separator: string) => header.split(separator).length;
  return SEPARATORS.reduce((best, one) => (count(one) > count(best) ? one : best));
}

function plainEnd(text: string, from: number, separator: string): number {
  let at = from;
  while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at += 1;
  return at;
}

/** One quoted or plain cell; returns the place behind it. */
function readCell(text: string, from: number, separator: string): { cell: string; at: number } {
  const parts: string[] = [];
  let at = from;
  if (text[from] === '"') {
    do {
      const quote = text.indexOf('"', at + 1);
      if (quote < 0) throw new Unreadable('A quotation mark in the CSV file is not closed.');
      // A quotation mark inside the cell is written twice.
      parts.push(text.slice(at === from ? at + 1 : at, quote));
      at = quote + 1;
    } while (text[at] === '"');
  }
  // What follows a closing quotation mark before the separator is kept, as spreadsheets do.
  const end = plainEnd(text, at, separator);
  return { cell: parts.join('') + text.slice(at, end), at: end };
}

/** All rows, the header among them; empty lines are left out. */
export function csvRows(text: string): string[][] {
  const separator = separatorOf(text);
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  const closeRow = () => {
    if (row.some((cell) => cell !== '')) rows.push(row);
    row = [];
  };
  while (at < text.length) {
    const read = readCell(text, at, separator);
    row.push(read.cell);
    at = read.at;
    const next = text[at];
    if (next === separator) {
      at += 1;
      if (at === text.length) row.push('');
      continue;
    }
    if (next === '\r' && text[at + 1] === '\n') at += 1;
    at += 1;
    closeRow();
  }
  closeRow();
  return rows;
}

/** Rows as records by the lower-case names of the header. */
export function csvRecords(text: string): ReadonlyMap<string, string>[] {
  const [header, ...rows] = csvRows(text);
  if (!header) throw new Unreadable('The CSV file is empty.');
  const names = header.map((name) => name.trim().toLowerCase());
  return rows.map((row) => new Map(names.map((name, index) => [name, row[index] ?? ''])));
}

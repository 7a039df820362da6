/** A chosen export file → what it holds of the old site. */
import type { Format, OldSite } from './old-site';
import { parseCsv } from './parse-csv';
import { parseDatacenter } from './parse-datacenter';
import { parseStack } from './parse-stack';
import { decodeFile } from './read-file';

const PARSERS: Readonly<Record<Format, (text: string) => OldSite>> = {
  datacenter: parseDatacenter,
  stack: parseStack,
  csv: parseCsv,
};

/** Throws `Unreadable` with a sentence for the administrator. */
export function readExport(format: Format, bytes: Uint8Array): OldSite {
  const { text, guessedEncoding } = decodeFile(bytes);
  const site = PARSERS[format](text);
  if (guessedEncoding === null) return site;
  const note = { where: 'File', what: `is not UTF-8 and was read as ${guessedEncoding}; check umlauts and accents` };
  return { ...site, notes: [note, ...site.notes] };
}

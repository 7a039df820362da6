/** The bytes of a chosen file → text, whatever encoding it is in. */
import { Unreadable } from './old-site';

export const LARGEST_FILE = 50 * 1024 * 1024;

export interface DecodedFile {
  readonly text: string;
  /** Named where it had to be guessed. */
  readonly guessedEncoding: string | null;
}

function markedEncoding(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : null;
}

function decode(bytes: Uint8Array, encoding: string): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Throws `Unreadable` for a file that is too large or no text. */
export function decodeFile(bytes: Uint8Array): DecodedFile {
  if (bytes.length > LARGEST_FILE) throw new Unreadable('The file is larger than 50 MB. Export it in parts.');
  const marked = markedEncoding(bytes);
  if (marked) {
    const text = decode(bytes, marked);
    if (text === null) throw new Unreadable(`The file says that it is ${marked.toUpperCase()} and is not.`);
    return { text, guessedEncoding: null };
  }
  if (bytes.includes(0)) throw new Unreadable('This is no text file. Unpack archives first and choose the file inside.');
  const text = decode(bytes, 'utf-8');
  if (text !== null) return { text, guessedEncoding: null };
  return { text: new TextDecoder('windows-1252').decode(bytes), guessedEncoding: 'Windows-1252' };
}

/** The report as a file on the administrator's machine. */
import type { Loss } from './loss';
import type { Progress } from './run';

export function reportOf(loss: Loss, progress: Progress | null): string {
  return JSON.stringify({ format: 'community-questions-import-report', version: 1, loss, run: progress }, null, 2);
}

export function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the file over by the time that the next task runs.
  setTimeout(() => URL.revokeObjectURL(address), 0);
}

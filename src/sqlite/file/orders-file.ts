import { statSync } from 'node:fs';
import { ConnectionLost } from '../failures.ts';

/** Distinguishes a file from another at the same path; `undefined` if there is none. */
export function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

export function lost(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} or its log was deleted, moved or replaced while it was open`,
  );
}

/** Without its lock a second storage could have the file open. */
export function lockLost(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} is not safe to use: its lock ${lockPathOf(path)} was deleted, moved or replaced while it was open`,
  );
}

/** A transaction was under way, and may have been undone by another program. */
export function unlocked(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} was closed elsewhere in this process, which drops its locks, while it was written`,
  );
}

/** Another storage has opened the file. */
export function fenced(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} was opened by another storage meanwhile: this one writes no more`,
  );
}

/** The file that stands for the lock on a file of orders. */
export function lockPathOf(path: string): string {
  return `${path}-lock`;
}

import { readFileSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often the owner of a file touches its record, in milliseconds. */
export const BEAT_MS = 1_000;

/** An owner that has not touched its record for so long has ended, in milliseconds; some beats may come late. */
const EXPIRY_MS = 3_000;

/** A process, identified as well as the system allows. */
interface Process {
  readonly pid: number;
  readonly host: string;
  /** Which start of the system this is; Linux only, as the rest. */
  readonly boot?: string | undefined;
  /** Where the pid is valid; a container has its own. */
  readonly namespace?: string | undefined;
  /** When the process began, in ticks since the system did. */
  readonly startedAt?: string | undefined;
}

/** Which process has a file open. */
interface Owner extends Process {
  /** Which file: see `identityOf`, of its lock. A copy of the folder holds a copy of this record. */
  readonly lock: string;
}

/**
 * The owner of a file of orders, recorded in a file beside it (`-owner`) while it is open. Locks of the system belong to
 * a process and a file: a process loses all that it has on a file when it closes any descriptor of that, after copying
 * it for example. This record stays.
 */
export class FileOwner {
  readonly #path: string;
  readonly #text: string;

  /**
   * Records this process as the owner. Call it only while holding the lock.
   *
   * @param path - the file of orders
   * @param lock - the identity of its lock
   */
  constructor(path: string, lock: string) {
    this.#path = ownerPathOf(path);
    this.#text = `${JSON.stringify({ ...self(), lock } satisfies Owner)}\n`;
    writeFileSync(this.#path, this.#text, { mode: 0o600 });
  }

  /** Removes the record, unless it is another process's by now. */
  remove(): void {
    if (readText(this.#path) === this.#text) rmSync(this.#path, { force: true });
  }
}

/** Touches the owner's record, by its name: opening and closing a file drops locks. */
export function beat(path: string): void {
  const now = new Date();
  try {
    utimesSync(ownerPathOf(path), now, now);
  } catch {
    // The record was deleted. The number of the opening in the file itself still fences this process.
  }
}

/** The owner of a file, described for people; `undefined` if it is not known. */
export function describeOwner(path: string): string | undefined {
  const owner = ownerOf(path);
  if (owner === undefined) return undefined;
  const { pid, host } = owner;
  if (!isNear(owner)) return `process ${pid} on the host ${JSON.stringify(host)}`;
  if (isThis(owner)) return `this process (${pid})`;
  // The holder of the lock has not recorded itself yet.
  return hasEnded(owner) ? undefined : `process ${pid}`;
}

/**
 * Whether the recorded process still has the file, although the lock is free. Waits for its next beat, unless the
 * process has certainly ended.
 *
 * @param path - the file of orders
 * @param lock - the identity of its lock, which the caller has
 */
export async function isOwned(path: string, lock: string): Promise<boolean> {
  const owner = ownerOf(path);
  // Within this process, SQLite's own lock is reliable.
  if (owner === undefined || owner.lock !== lock || isThis(owner) || hasEnded(owner)) return false;
  const before = lastBeat(path);
  // A clock that was set is no problem: the next beat follows it.
  if (before === undefined || Math.abs(Date.now() - before) > 10 * BEAT_MS) return false;
  for (let waitedMs = 0; waitedMs < EXPIRY_MS; waitedMs += BEAT_MS / 10) {
    await sleep(BEAT_MS / 10);
    const now = lastBeat(path);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

function lastBeat(path: string): number | undefined {
  return statSync(ownerPathOf(path), { throwIfNoEntry: false })?.mtimeMs;
}

/** Whether its pid is valid here. */
function isNear({ host, boot, namespace }: Owner): boolean {
  const own = self();
  return host === own.host && boot === own.boot && namespace === own.namespace;
}

function isThis(owner: Owner): boolean {
  const own = self();
  return isNear(owner) && owner.pid === own.pid && owner.startedAt === own.startedAt;
}

/** Whether a process has certainly ended. */
function hasEnded(owner: Owner): boolean {
  if (!isNear(owner)) return false;
  const { pid, startedAt } = owner;
  if (startedAt !== undefined) return startOf(pid) !== startedAt;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function ownerOf(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readText(ownerPathOf(path)) ?? '') as Owner;
    return Number.isInteger(owner.pid) && typeof owner.host === 'string' ? owner : undefined;
  } catch {
    // It is being written, or its process was killed while writing it.
    return undefined;
  }
}

let known: Process | undefined;

/** This process. */
function self(): Process {
  known ??= {
    pid: process.pid,
    host: hostname(),
    boot: readText('/proc/sys/kernel/random/boot_id')?.trim(),
    namespace: linkAt('/proc/self/ns/pid'),
    startedAt: startOf('self'),
  };
  return known;
}

function startOf(pid: number | 'self'): string | undefined {
  // After the name of the program, which is in parentheses and may have spaces.
  return readText(`/proc/${pid}/stat`)?.split(')').at(-1)?.split(' ')[20];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function ownerPathOf(path: string): string {
  return `${path}-owner`;
}

/** A file that was opened, so that another connection can go on with it and with no other. */
export interface Opened {
  /** How many times the file was opened. */
  readonly life: number;
  /** See `identityOf`. */
  readonly identity: string;
  /** Identifies what the file keeps. */
  readonly id: string;
  /** See `HeldLocks`. */
  readonly areLocksListed: boolean;
}

/** How a file is opened. */
export interface DatabaseOptions {
  readonly durability: 'full' | 'relaxed';
  readonly maxBytes: number | undefined;
  /** What an earlier connection of the same storage had opened: the same file, without counting an opening. */
  readonly reopened: Opened | undefined;
  /** Which lock the storage has taken, see `identityOf`; without one, no other storage may be let in. */
  readonly lock?: string | undefined;
}

/** The file that a storage has open. */
export interface Source {
  readonly path: string;
  /** See `identityOf`. */
  readonly identity: string;
}

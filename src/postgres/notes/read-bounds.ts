/** Bounds of what is read, in orders. */
export interface ReadBounds {
  /** By one read of pages. */
  readonly page: number;
  /** Over how many orders of users that are held back one read goes. */
  readonly scan: number;
  /** How many may be noted and unread before reading goes on by pages. */
  readonly noted: number;
  /** How many unsettled orders a user may have in memory. */
  readonly user: number;
}

export const defaultBounds: ReadBounds = { page: 1_000, scan: 50_000, noted: 4_000, user: 2_000 };

import type { ReadBounds } from '../notes/read-bounds.ts';
import type { Place } from './life.ts';

export interface MembershipOptions extends Place {
  /** Between two beats, in milliseconds. */
  readonly beatMs: number;
  /** After so much silence, by the server's clock, the others end this processor's time. */
  readonly staleMs: number;
  /** For how long what runs of a partition is waited for when it is handed over, in milliseconds; 30 000 by default. */
  readonly handOverMs?: number | undefined;
  /** Between two looks for what no note has come of, in milliseconds; 5 000 by default. */
  readonly sweepMs?: number | undefined;
  /** Bounds of what is read. */
  readonly bounds?: Partial<ReadBounds> | undefined;
}

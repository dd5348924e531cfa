/** What became of everything; the counts are of orders settled since the call of `shutdown`. */
export interface ShutdownSummary {
  /** Orders that completed. */
  readonly completed: number;
  /** Orders that failed; without those in `unsettled`, though that is what their callers heard. */
  readonly failed: number;
  /** Orders that were canceled, most of them because the deadline had come. */
  readonly canceled: number;
  /** Ids of accepted orders whose outcome the storage did not confirm in time; unknown. */
  readonly unsettled: readonly string[];
  /** Ids of orders whose steps still ran at the end, in spite of their signal. */
  readonly running: readonly string[];
  /**
   * How many accepted orders stay in the storage, where it keeps orders: they had not begun, or what had
   * begun could not be ended or compensated in time. The next processor that opens it goes on with them.
   * Those that had not been taken up are not among them.
   */
  readonly kept: number;
  /** Whether the deadline came before everything was settled and all steps had ended. */
  readonly timedOut: boolean;
  /** What closing the storage threw, or that it did not end in time; `undefined` if it closed. */
  readonly storageError: unknown;
  /** How long the shutdown took, in milliseconds. */
  readonly durationMs: number;
}

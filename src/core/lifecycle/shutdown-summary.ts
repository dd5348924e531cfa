/**
 * The result of `shutdown`; the counts are of orders settled since its call.
 *
 * @category Processor
 */
export interface ShutdownSummary {
  /** Orders that completed. */
  readonly completed: number;
  /** Orders that failed. Orders in `unsettled` do not count, even though their callers are rejected. */
  readonly failed: number;
  /** Orders that were canceled, most of them because the deadline had come. */
  readonly canceled: number;
  /** Ids of accepted orders whose outcome the storage did not confirm in time; unknown. */
  readonly unsettled: readonly string[];
  /** Ids of orders whose steps still ran at the end, in spite of their signal. */
  readonly running: readonly string[];
  /**
   * How many accepted orders stay in the storage, where it keeps orders: they had not begun, or could not be ended or
   * compensated in time. The next processor that opens it goes on with them. Orders that had not been taken up do not
   * count.
   */
  readonly kept: number;
  /** Whether the deadline came before everything was settled and all steps had ended. */
  readonly timedOut: boolean;
  /** What closing the storage threw, or that it did not end in time; `undefined` if it closed. */
  readonly storageError: unknown;
  /** How long the shutdown took, in milliseconds. */
  readonly durationMs: number;
}

/**
 * The clock of a process is fast by `CLOCK_MS`, in milliseconds, or slow where that is below 0. A program imports it
 * before anything that reads a clock.
 */
const clockMs = Number(process.env.CLOCK_MS ?? 0);

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: [] | [value: number | string | Date]) {
    super(...((given.length === 0 ? [RealDate.now() + clockMs] : given) as [number]));
  }

  static override now(): number {
    return RealDate.now() + clockMs;
  }
} as DateConstructor;

import type { OrderView, RetryView, StepView } from '../../api.ts';

/** A part of a bar. */
export interface Segment {
  readonly kind: 'wait' | 'try' | 'failed' | 'pause' | 'ok' | 'running' | 'undone' | 'stopped';
  readonly from: number;
  readonly to: number;
}

/** A line of the waterfall: the wait, a step, or a step's compensation. */
export interface Bar {
  readonly name: string;
  readonly segments: readonly Segment[];
  readonly step?: StepView;
  readonly isCompensation: boolean;
}

export interface Waterfall {
  readonly from: number;
  readonly to: number;
  readonly bars: readonly Bar[];
  /** Whether the wait was too long to be drawn beside the steps. */
  readonly isWaitLeftOut: boolean;
}

/** A wait this many times longer than the rest would leave no room for the steps. */
const mostWaits = 3;

/** @param now - where what runs ends for now */
export function waterfallOf(order: OrderView, now: number): Waterfall {
  const { acceptedAt, notBefore = 0, startedAt, settledAt, steps } = order;
  const waitFrom = Math.max(acceptedAt, notBefore);
  const begin = startedAt ?? Math.max(waitFrom, Math.min(now, settledAt ?? now));
  const ends = steps.flatMap(({ endedAt, compensation }) => [
    endedAt ?? 0,
    compensation?.endedAt ?? 0,
  ]);
  const isRunning = settledAt === undefined && startedAt !== undefined;
  const end = Math.max(begin, settledAt ?? 0, ...ends, isRunning ? now : 0);
  const wait = Math.max(0, begin - waitFrom);
  const isWaitLeftOut = startedAt !== undefined && wait > mostWaits * Math.max(1, end - begin);
  const from = isWaitLeftOut ? begin : waitFrom;
  const waiting: Bar = {
    name: 'Waited for its turn',
    segments: [{ kind: 'wait', from: waitFrom, to: begin }],
    isCompensation: false,
  };
  const bars = steps.flatMap((step) => barsOf(step, end));
  return {
    from,
    // So that something is seen of what took no time.
    to: Math.max(end, from + 1),
    bars: isWaitLeftOut || wait === 0 ? bars : [waiting, ...bars],
    isWaitLeftOut,
  };
}

function barsOf(step: StepView, end: number): Bar[] {
  const { name, startedAt, endedAt, status, retries, compensation } = step;
  const last = kindOf(status);
  const segments =
    startedAt === undefined ? [] : segmentsOf(startedAt, endedAt ?? end, retries, last);
  const bar: Bar = { name, segments, step, isCompensation: false };
  if (compensation === undefined) return [bar];
  const { startedAt: from, endedAt: to } = compensation;
  const undone = compensation.status === 'error' ? 'failed' : 'undone';
  return [
    bar,
    {
      name,
      segments: from === undefined ? [] : segmentsOf(from, to ?? end, compensation.retries, undone),
      step,
      isCompensation: true,
    },
  ];
}

function kindOf(status: StepView['status']): Segment['kind'] {
  if (status === 'error') return 'failed';
  if (status === 'canceled') return 'stopped';
  if (status === 'paused') return 'pause';
  return status === 'running' ? 'running' : 'ok';
}

/** Attempts that failed, the pauses behind them, and the last attempt. */
function segmentsOf(
  from: number,
  to: number,
  retries: readonly RetryView[],
  last: Segment['kind'],
): Segment[] {
  const segments: Segment[] = [];
  let at = from;
  for (const { at: failedAt, pauseMs } of retries) {
    const pausedTo = Math.min(failedAt + pauseMs, to);
    segments.push({ kind: 'failed', from: at, to: failedAt });
    segments.push({ kind: 'pause', from: failedAt, to: pausedTo });
    at = pausedTo;
  }
  segments.push({ kind: last, from: at, to });
  return segments.filter((segment) => segment.to >= segment.from);
}

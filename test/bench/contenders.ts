import { tracingChannel } from 'node:diagnostics_channel';
import AsyncLock from 'async-lock';
import fastq from 'fastq';
import {
  type EventName,
  MemoryStorage,
  OrderProcessor,
  type Posting,
  type Step,
} from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import PQueue from 'p-queue';

/** What the workloads submit; ours takes it as it is. */
export interface BenchOrder {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly postings?: readonly Posting[];
}

export type Submit = (order: BenchOrder) => Promise<unknown>;

/** How many settled orders `MemoryStorage` remembers by default. */
const retained = 100_000;

/** How many workers everybody has, where a workload does not say another number. */
const defaultConcurrency = 16;

/** The limit: an async function that adds to a `Map`. */
export function bare(): Submit {
  const balances = new Map<string, number>();
  return async (order) => {
    const balance = (balances.get(order.userId) ?? 0) + order.amount;
    balances.set(order.userId, balance);
    return { orderId: order.id, balance };
  };
}

/**
 * The limit for what we promise: the same function when it also checks the order, looks its id up,
 * and remembers the last ids with their balances.
 */
export function floor(): Submit {
  const balances = new Map<string, number>();
  const settled = new Map<string, number>();
  const ring = new Array<string | undefined>(retained).fill(undefined);
  let at = 0;
  return async (order) => {
    if (typeof order !== 'object' || order === null) throw new TypeError('order');
    const { id, userId, amount } = order;
    if (typeof id !== 'string' || id.length === 0 || id.length > 256) throw new TypeError('id');
    if (typeof userId !== 'string' || userId.length === 0 || userId.length > 256) {
      throw new TypeError('userId');
    }
    if (!Number.isSafeInteger(amount)) throw new TypeError('amount');
    const known = settled.get(id);
    if (known !== undefined) return { orderId: id, balance: known };
    const balance = (balances.get(userId) ?? 0) + amount;
    balances.set(userId, balance);
    const oldest = ring[at];
    if (oldest !== undefined) settled.delete(oldest);
    ring[at] = id;
    at = at + 1 === retained ? 0 : at + 1;
    settled.set(id, balance);
    return { orderId: id, balance };
  };
}

let heard = 0;

/** Everything on: validation, idempotency, stats, one `completed` listener. */
export function makeOurs(retainSettled?: number, capacity?: number): OrderProcessor {
  const processor = new OrderProcessor({
    storage: new MemoryStorage(retainSettled === undefined ? {} : { retainSettled }),
    concurrency: defaultConcurrency,
    ...(capacity === undefined ? {} : { capacity }),
  });
  processor.on('completed', (receipt) => {
    heard += receipt.amount;
  });
  return processor;
}

export function ours(retainSettled?: number): Submit {
  const processor = makeOurs(retainSettled);
  return (order) => processor.submit(order);
}

/** The events of an order's life. */
const lifeCycle: readonly EventName[] = [
  ...(['accepted', 'started', 'progress', 'stepped', 'retried', 'stalled'] as const),
  ...(['failed', 'canceled', 'refused', 'held', 'released', 'idle'] as const),
];

/** The same with a listener on every one of them. */
export function oursObserved(): Submit {
  const processor = makeOurs();
  for (const event of lifeCycle) {
    processor.on(event, () => {
      heard += 1;
    });
  }
  return (order) => processor.submit(order);
}

/** The same with a subscriber to every diagnostics channel. */
export function oursTraced(): Submit {
  const count = (): void => {
    heard += 1;
  };
  for (const name of ['submit', 'order', 'step', 'settle']) {
    tracingChannel(`order-processor:${name}`).subscribe({
      ...{ start: count, end: count, error: count, asyncStart: count, asyncEnd: count },
    });
  }
  return ours();
}

/** The same with a dashboard of which one page is open. */
export function oursWithDashboard(): Submit {
  const processor = makeOurs();
  const { fetch } = createDashboard(processor);
  const live = new Request('http://localhost/api/live?topics=stats,attention,overview,events');
  void fetch(live).then(async ({ body }) => {
    for await (const piece of body ?? []) heard += piece.length;
  });
  return (order) => processor.submit(order);
}

/** What an order's step does. */
export interface StepWork {
  /** Nothing where it is not given. */
  readonly run?: Work | undefined;
  readonly concurrency?: number | undefined;
}

/** What every peer does for an order: the step, and the same work as `bare`. */
function makeWork({ run }: StepWork): (order: BenchOrder) => Promise<unknown> {
  const settle = bare();
  if (run === undefined) return settle;
  return async (order) => {
    await run(order as unknown as Parameters<Work>[0], {} as Parameters<Work>[1]);
    return settle(order);
  };
}

/** A p-queue for each user inside a global p-queue; a user's queue is dropped when it is idle. */
export function pQueuePerUser(options: StepWork = {}): Submit {
  const work = makeWork(options);
  const { concurrency = defaultConcurrency } = options;
  const all = new PQueue({ concurrency });
  const queues = new Map<string, PQueue>();
  return (order) => {
    let queue = queues.get(order.userId);
    if (queue === undefined) {
      const own = new PQueue({ concurrency: 1 });
      own.addEventListener('idle', () => queues.delete(order.userId));
      queues.set(order.userId, own);
      queue = own;
    }
    return queue.add(() => all.add(() => work(order)));
  };
}

/** A fastq for each user inside a global fastq. */
export function fastqPerUser(options: StepWork = {}): Submit {
  const work = makeWork(options);
  const { concurrency = defaultConcurrency } = options;
  const all = fastq.promise(work, concurrency);
  const queues = new Map<string, fastq.queueAsPromised<BenchOrder, unknown>>();
  return (order) => {
    let queue = queues.get(order.userId);
    if (queue === undefined) {
      queue = fastq.promise((each: BenchOrder) => all.push(each), 1);
      const { userId } = order;
      queue.drain = () => queues.delete(userId);
      queues.set(userId, queue);
    }
    return queue.push(order);
  };
}

/** A chain of promises for each user over a global fastq. */
export function promiseChain(options: StepWork = {}): Submit {
  const work = makeWork(options);
  const { concurrency = defaultConcurrency } = options;
  const all = fastq.promise(work, concurrency);
  const tails = new Map<string, Promise<unknown>>();
  return (order) => {
    const { userId } = order;
    const before = tails.get(userId);
    const own = before === undefined ? all.push(order) : before.then(() => all.push(order));
    const tail = own.then(
      () => {
        if (tails.get(userId) === tail) tails.delete(userId);
      },
      () => {},
    );
    tails.set(userId, tail);
    return own;
  };
}

/** async-lock by user over a global fastq. */
export function asyncLock(options: StepWork = {}): Submit {
  const work = makeWork(options);
  const { concurrency = defaultConcurrency } = options;
  const all = fastq.promise(work, concurrency);
  const lock = new AsyncLock({ maxPending: Number.POSITIVE_INFINITY });
  return (order) => lock.acquire(order.userId, () => all.push(order));
}

export type Work = Step['run'];

/** Three steps that return at once, as plain or as async functions. */
export const works: Readonly<Record<'sync' | 'async', readonly Work[]>> = {
  sync: [() => true, () => true, () => true],
  async: [async () => true, async () => true, async () => true],
};

/** The limit for steps: the same functions in a `Promise.all`, under one AbortController per order. */
export function bareSteps(runs: readonly Work[]): Submit {
  return async (order) => {
    const controller = new AbortController();
    const { signal } = controller;
    const accepted = order as unknown as Parameters<Work>[0];
    const context = { signal } as Parameters<Work>[1];
    try {
      return await Promise.all(runs.map((run) => run(accepted, context)));
    } catch (error) {
      controller.abort(error);
      throw error;
    }
  };
}

/** Functions of one asynchronous step. */
export const asyncWorks = {
  resolves: async () => true,
  immediate: () => new Promise((resolve) => setImmediate(resolve)),
  sleeps: () => new Promise((resolve) => setTimeout(resolve, 2)),
} satisfies Readonly<Record<string, Work>>;

export function oursWithSteps(
  runs: readonly Work[],
  concurrency: number = defaultConcurrency,
): Submit {
  const steps = runs.map((run, at) => ({ name: `step-${at}`, run }));
  const processor = new OrderProcessor({ concurrency, steps });
  processor.on('completed', (receipt) => {
    heard += receipt.amount;
  });
  return (order) => processor.submit(order);
}

export const peers: Readonly<Record<string, (work?: StepWork) => Submit>> = {
  'p-queue per user': pQueuePerUser,
  'fastq per user': fastqPerUser,
  'promise chain over fastq': promiseChain,
  'async-lock over fastq': asyncLock,
};

export function checkHeard(): number {
  return heard;
}

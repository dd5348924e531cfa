import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { OrderProcessor } from 'order-processor';
import {
  asyncWorks,
  type BenchOrder,
  bare,
  bareSteps,
  floor,
  makeOurs,
  ours,
  oursObserved,
  oursTraced,
  oursWithDashboard,
  oursWithSteps,
  peers,
  type Submit,
  type Work,
  works,
} from './contenders.ts';
import {
  delayUnderLoad,
  instant,
  raw,
  recovery,
  recoveryHeap,
  throughFile,
  twoCommits,
} from './durable.ts';
import { callsOverGrpc } from './grpc.ts';
import { batchOverHttp, checkBareAnswer, ordersOverHttp } from './http.ts';
import { closedLoop, heapUsed, perSecond } from './loops.ts';
import { postgresWorkloads } from './postgres/workloads.ts';
import { inMemory, onDisk } from './tracing.ts';
import {
  type Makers,
  makeOrders,
  onOrders,
  type Round,
  spread,
  type Workload,
} from './workload.ts';

/** The same orders as transfers: each moves its amount to another user. */
function asTransfers(orders: readonly BenchOrder[]): BenchOrder[] {
  return orders.map(({ id, userId, amount }, at) => {
    const { userId: payee } = orders[(at + 1) % orders.length] as BenchOrder;
    const other = payee === userId ? 'another' : payee;
    return { id, userId, amount: -amount, postings: [{ userId: other, amount }] };
  });
}

const million = 1_000_000;

/** Contenders that are made once for all rounds and take the same orders in each. */
function steady(count: number, userOf: (index: number) => number, makers: Makers): Workload {
  return {
    contenders: Object.keys(makers),
    isSteady: true,
    prepare: (contender) => {
      const orders = makeOrders(count, userOf);
      const round = (makers[contender] as () => Round)();
      return () => round(orders);
    },
  };
}

function oneByOne(submit: Submit): Round {
  return (orders) => closedLoop(submit, orders, 1_000);
}

function inChunks(processor: OrderProcessor): Round {
  return async (orders) => {
    const start = performance.now();
    for (let at = 0; at < orders.length; at += 10_000) {
      await processor.submitMany(orders.slice(at, at + 10_000));
    }
    return perSecond(orders.length, start);
  };
}

function closedLoops(
  count: number,
  userOf: (index: number) => number,
  makers: Readonly<Record<string, () => Submit>>,
): Workload {
  const rounds = Object.entries(makers).map(([name, make]) => [name, () => oneByOne(make())]);
  return steady(count, userOf, Object.fromEntries(rounds));
}

/** One asynchronous step: each contender runs the same function. */
function oneStep(count: number, run: Work, concurrency: number, inFlight: number): Workload {
  const submits = {
    ours: () => oursWithSteps([run], concurrency),
    ...Object.fromEntries(
      Object.entries(peers).map(([name, peer]) => [name, () => peer({ run, concurrency })]),
    ),
  };
  const rounds = Object.entries(submits).map(([name, make]): [string, () => Round] => [
    name,
    () => {
      const submit = make();
      return (orders) => closedLoop(submit, orders, inFlight);
    },
  ]);
  return steady(count, spread(10_000), Object.fromEntries(rounds));
}

/** Accepts a backlog while paused, then drains it; throughput of both together. */
async function backlog(orders: BenchOrder[], waiting: number): Promise<number> {
  const processor = makeOurs(undefined, waiting);
  const start = performance.now();
  for (let at = 0; at < orders.length; at += waiting) {
    processor.pause();
    const end = Math.min(orders.length, at + waiting);
    let last: Promise<unknown> | undefined;
    for (let index = at; index < end; index += 1) {
      last = processor.submit(orders[index] as BenchOrder);
    }
    processor.resume();
    await processor.onIdle();
    await last;
  }
  return perSecond(orders.length, start);
}

/** A closed loop beside so many orders that wait, of paused users. */
async function besideWaiting(orders: BenchOrder[], waiting: number): Promise<number> {
  const processor = makeOurs(undefined, waiting + 10_000);
  for (let user = 0; user < 10_000; user += 1) processor.pause(`paused-${user}`);
  for (let at = 0; at < waiting; at += 1) {
    const order = { id: `waiting-${at}`, userId: `paused-${at % 10_000}`, amount: 1 };
    const accepted = processor.enqueue(order);
    if (at % 1_000 === 0) await accepted;
  }
  globalThis.gc?.();
  return closedLoop((order) => processor.submit(order), orders, 1_000);
}

/** The longest stretch, in milliseconds, for which draining a million waiting orders held the loop. */
async function longestHold(orders: BenchOrder[]): Promise<number> {
  const processor = makeOurs(undefined, orders.length);
  processor.pause();
  // The promises of `enqueue` have resolved, and take no time of the draining.
  await Promise.all(orders.map((order) => processor.enqueue(order)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc?.();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.reset();
  processor.resume();
  await processor.onIdle();
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}

/** Heap bytes per waiting order beyond the caller's own object. */
async function heapPerOrder(orders: BenchOrder[], how: 'submit' | 'enqueue'): Promise<number> {
  const processor = makeOurs(undefined, orders.length);
  processor.pause();
  const promises: Promise<unknown>[] = new Array(orders.length).fill(Promise.resolve());
  const before = await heapUsed();
  let last: Promise<unknown> | undefined;
  for (let index = 0; index < orders.length; index += 1) {
    last = processor[how](orders[index] as BenchOrder);
    if (how === 'submit') promises[index] = last;
  }
  // The promises of `enqueue` have resolved, and keep nothing in memory.
  if (how === 'enqueue') await last;
  last = undefined;
  const after = await heapUsed();
  processor.resume();
  await processor.onIdle();
  return (after - before) / orders.length;
}

/** The peers as they do nothing but settle an order. */
const ofNoWork = Object.fromEntries(
  Object.entries(peers).map(([name, peer]) => [name, () => peer()]),
);

export const workloads = {
  closed: closedLoops(500_000, spread(10_000), { floor, ours: () => ours(), ...ofNoWork }),
  closedObserved: closedLoops(500_000, spread(10_000), { floor, ours: oursObserved, ...ofNoWork }),
  closedTraced: closedLoops(500_000, spread(10_000), { ours: () => ours(), traced: oursTraced }),
  closedDashboard: closedLoops(500_000, spread(10_000), {
    ours: () => ours(),
    open: oursWithDashboard,
  }),
  closedForgetful: closedLoops(500_000, spread(10_000), { bare, ours: () => ours(0), ...ofNoWork }),
  transfers: steady(500_000, spread(10_000), {
    plain: () => oneByOne(ours()),
    transfers: () => {
      const round = oneByOne(ours());
      let made: BenchOrder[] | undefined;
      return (orders) => {
        made ??= asTransfers(orders);
        return round(made);
      };
    },
  }),
  bulk: steady(million, spread(150), {
    bare: () => oneByOne(bare()),
    floor: () => oneByOne(floor()),
    ours: () => inChunks(makeOurs()),
    oursForgetful: () => inChunks(makeOurs(0)),
  }),
  // Every order is its user's first, in each round.
  manyUsers: onOrders(500_000, (index) => index, {
    floor: (orders) => oneByOne(floor())(orders),
    ours: (orders) => oneByOne(ours())(orders),
  }),
  hotUser: closedLoops(500_000, () => 0, { floor, ours: () => ours() }),
  steps: closedLoops(200_000, spread(10_000), {
    bare: () => bareSteps(works.sync),
    ours: () => oursWithSteps(works.sync),
    bareAsync: () => bareSteps(works.async),
    oursAsync: () => oursWithSteps(works.async),
  }),
  stepResolves: oneStep(200_000, asyncWorks.resolves, 16, 1_000),
  stepImmediate: oneStep(200_000, asyncWorks.immediate, 16, 1_000),
  stepSleeps: oneStep(200_000, asyncWorks.sleeps, 1_000, 2_000),
  backlog: onOrders(million, spread(10_000), {
    million: (orders) => backlog(orders, million),
    thousand: (orders) => backlog(orders, 1_000),
  }),
  beside: onOrders(million, spread(10_000), {
    million: (orders) => besideWaiting(orders, million),
    thousand: (orders) => besideWaiting(orders, 1_000),
  }),
  hold: onOrders(million, spread(10_000), { ours: longestHold }),
  heap: onOrders(million, spread(10_000), {
    submit: (orders) => heapPerOrder(orders, 'submit'),
    enqueue: (orders) => heapPerOrder(orders, 'enqueue'),
  }),
  durable: onOrders(200_000, spread(10_000), {
    raw,
    ours: (orders) => throughFile(orders),
    oursStep: (orders) => throughFile(orders, { step: instant }),
  }),
  durableTransfers: onOrders(200_000, spread(10_000), {
    plain: (orders) => throughFile(orders),
    transfers: (orders) => throughFile(asTransfers(orders)),
  }),
  durableRemember: onOrders(200_000, spread(10_000), {
    plain: (orders) => throughFile(orders, { step: instant }),
    remembered: (orders) => throughFile(orders, { step: { ...instant, remember: true } }),
  }),
  durableFeed: onOrders(200_000, spread(10_000), {
    alone: (orders) => throughFile(orders),
    fed: (orders) => throughFile(orders, { hasConsumer: true }),
  }),
  durableHot: onOrders(200_000, spread(1), { raw, ours: (orders) => throughFile(orders) }),
  durableOne: onOrders(2_000, spread(100), {
    commits: (orders) => twoCommits(orders.length),
    ours: (orders) => throughFile(orders, { inFlight: 1 }),
    oursStep: (orders) => throughFile(orders, { inFlight: 1, step: instant }),
  }),
  durableDelay: onOrders(200_000, spread(10_000), { ours: delayUnderLoad }),
  durableRecovery: onOrders(million, spread(10_000), {
    closed: (orders) => throughFile(orders.slice(0, 200_000)),
    recovery,
  }),
  durableHeap: onOrders(million, spread(10_000), { ours: recoveryHeap }),
  tracing: onOrders(100_000, spread(10_000), inMemory),
  durableTracing: onOrders(50_000, spread(10_000), onDisk),
  http: {
    contenders: ['bare', 'memory', 'file', 'batch'],
    check: checkBareAnswer,
    prepare: (contender) =>
      contender === 'batch' ? batchOverHttp(contender) : ordersOverHttp(contender),
  },
  grpc: { contenders: ['grpcBare', 'grpc'], prepare: callsOverGrpc },
  ...postgresWorkloads,
} satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof workloads;

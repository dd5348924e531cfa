import type { BenchOrder } from '../contenders.ts';
import { onOrders, spread, type Workload } from '../workload.ts';
import { bossDrain } from './boss.ts';
import { frozen, joined, killed, nothing } from './faults.ts';
import { fleetOf } from './fleet.ts';
import { backlog, drain, idle, oneCaller, resolves, throughServer } from './ours.ts';
import { raw, rawDrain } from './raw.ts';

/** The same orders, each of which credits one account beside. */
function withFees(orders: readonly BenchOrder[]): BenchOrder[] {
  return orders.map((order) => ({ ...order, postings: [{ userId: 'fees', amount: 1 }] }));
}

const closed = { raw, ours: (orders: BenchOrder[]) => throughServer(orders) };
const oursStep = (orders: BenchOrder[]) => throughServer(orders, [resolves]);

const drained = { raw: rawDrain, ours: (orders: BenchOrder[]) => drain(orders), boss: bossDrain };

export const postgresWorkloads = {
  postgres: onOrders(50_000, spread(10_000), { ...closed, oursStep }),
  postgresFew: onOrders(50_000, spread(150), closed),
  postgresHot: onOrders(50_000, () => 0, closed),
  postgresFleet: onOrders(100_000, spread(10_000), {
    one: (orders) => fleetOf(1, orders),
    two: (orders) => fleetOf(2, orders),
    four: (orders) => fleetOf(4, orders),
    fees: (orders) => fleetOf(4, withFees(orders)),
  }),
  postgresDrain: { ...onOrders(10_000, spread(10_000), drained), warmUps: 4 },
  postgresDrainFew: { ...onOrders(10_000, spread(150), drained), warmUps: 4 },
  postgresBacklog: onOrders(1_000_000, spread(10_000), {
    million: (orders) => backlog(orders),
    less: (orders) => backlog(orders.slice(0, 100_000)),
  }),
  postgresOne: onOrders(2_000, spread(1_000), {
    acknowledged: (orders) => oneCaller(orders, 'acknowledged'),
    owner: (orders) => oneCaller(orders, 'owner'),
    other: (orders) => oneCaller(orders, 'other'),
  }),
  postgresFaults: onOrders(1, () => 0, { killed, frozen, joined, nothing }),
  postgresIdle: onOrders(1, () => 0, { idle }),
} satisfies Record<string, Workload>;

import { least, most, type Row, ratio } from '../row.ts';
import type { postgresWorkloads } from './workloads.ts';

/** By the workload that they need. */
export const postgresRows: Readonly<Record<keyof typeof postgresWorkloads, readonly Row[]>> = {
  postgres: [
    least(
      'on PostgreSQL: one process, 2 000 in flight, 10 000 users',
      'of `raw`',
      0.9,
      ratio('ours', 'raw'),
    ),
    least('', 'with one step that resolves at once, of `raw`', 0.7, ratio('oursStep', 'raw')),
  ],
  postgresFew: [least('', '150 users, of `raw`', 1.1, ratio('ours', 'raw'))],
  postgresHot: [least('', 'one hot user, of `raw` on the same input', 1.2, ratio('ours', 'raw'))],
  postgresFleet: [
    least('the same in two processes', 'of one', 0.8, ratio('two', 'one')),
    least('', 'in four, of one', 0.6, ratio('four', 'one')),
    least(
      '',
      'in four, each order credits one account, of the same without',
      0.5,
      ratio('fees', 'four'),
    ),
  ],
  postgresDrain: [
    least(
      'ten thousand enqueued, then drained, 10 000 users',
      'of `raw`',
      0.7,
      ratio('ours', 'raw'),
    ),
    least('', 'times pg-boss `key_strict_fifo`', 2, ratio('ours', 'boss')),
  ],
  postgresDrainFew: [
    least('', '150 users, of `raw`', 0.7, ratio('ours', 'raw')),
    least('', '150 users, times pg-boss `key_strict_fifo`', 4, ratio('ours', 'boss')),
  ],
  postgresBacklog: [
    least('a million waiting, drained', 'of a hundred thousand', 0.95, ratio('million', 'less')),
  ],
  postgresOne: [
    most('one caller, one order at a time', 'acknowledged, in bare commits', 3, (of) =>
      of('acknowledged'),
    ),
    most('', 'its outcome at the owner, in bare commits', 5.5, (of) => of('owner')),
    most('', 'at another process, in bare commits', 7, (of) => of('other')),
  ],
  postgresFaults: [
    most('longest wait of an order', 'a process is killed, ms', 1_000, (of) => of('killed')),
    most('', 'a process is frozen, ms', 6_000, (of) => of('frozen')),
    most(
      '',
      'one joins, two leave, beyond the usual, ms',
      100,
      (of) => of('joined') - of('nothing'),
    ),
  ],
  postgresIdle: [
    most('an idle process', "milliseconds of the server's CPU a second", 2, (of) => of('idle')),
  ],
};

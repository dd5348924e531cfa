/**
 * Prints the table of figures that `src/guides/performance.md` shows, as ratios, each against its target.
 *
 * ```sh
 * npm run bench                      # everything: about half an hour
 * npm run bench -- --quick           # fewer passes
 * npm run bench -- closed heap size  # some workloads
 * ```
 */
import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { bundleSize } from '../project/bundle-size.ts';
import { peers } from './contenders.ts';
import { postgresRows } from './postgres/rows.ts';
import { least, type MedianOf, most, type Row, ratio } from './row.ts';
import type { Workload } from './workload.ts';
import { workloads } from './workloads.ts';

const toBestPeer = (of: MedianOf): number =>
  of('ours') / Math.max(...Object.keys(peers).map((peer) => of(peer)));

/** By the workload that they need. */
const rows: Readonly<Record<keyof typeof workloads | 'size', readonly Row[]>> = {
  closed: [
    least('closed loop, 1 000 in flight, 10 000 users', 'of `floor`', 0.65, ratio('ours', 'floor')),
    least('', 'times the best peer', 1.5, toBestPeer),
    least('', 'times p-queue per user', 8, ratio('ours', 'p-queue per user')),
  ],
  closedObserved: [
    least(
      'the same with a listener on every life-cycle event',
      'of `floor`',
      0.4,
      ratio('ours', 'floor'),
    ),
    least('', 'times the best peer', 1, toBestPeer),
  ],
  closedTraced: [
    least(
      'the same with a subscriber to every diagnostics channel',
      'of without',
      0.4,
      ratio('traced', 'ours'),
    ),
  ],
  closedDashboard: [
    least('the same with an open page of the dashboard', 'of without', 0.97, ratio('open', 'ours')),
  ],
  closedForgetful: [
    least('the same with `retainSettled: 0`', 'of `bare`', 0.35, ratio('ours', 'bare')),
    least('', 'times the best peer', 2.5, toBestPeer),
  ],
  transfers: [
    least(
      'transfers, each to one other user, closed loop',
      'of plain orders',
      0.6,
      ratio('transfers', 'plain'),
    ),
  ],
  bulk: [
    least(
      '`submitMany`, a million orders in chunks of 10 000, 150 users',
      'of `floor`',
      1,
      ratio('ours', 'floor'),
    ),
    least('', 'with `retainSettled: 0`, of `bare`', 0.7, ratio('oursForgetful', 'bare')),
  ],
  manyUsers: [
    least('500 000 users, one order each, closed loop', 'of `floor`', 0.65, ratio('ours', 'floor')),
  ],
  hotUser: [least('one hot user, closed loop', 'of `floor`', 0.65, ratio('ours', 'floor'))],
  steps: [
    least(
      'three steps that return at once, closed loop, 1 000 in flight, 10 000 users',
      'of `Promise.all` under an AbortController',
      0.5,
      ratio('ours', 'bare'),
    ),
    least(
      '',
      'three asynchronous steps that resolve at once',
      0.45,
      ratio('oursAsync', 'bareAsync'),
    ),
  ],
  stepResolves: [
    least('one step that resolves at once, closed loop', 'times the best peer', 0.5, toBestPeer),
  ],
  stepImmediate: [
    least('the same, the step awaits `setImmediate`', 'times the best peer', 0.65, toBestPeer),
  ],
  stepSleeps: [
    least(
      'one step that sleeps 2 ms, 2 000 in flight, 1 000 workers',
      'times the best peer',
      0.8,
      toBestPeer,
    ),
  ],
  beside: [
    least(
      'a million orders waiting against a thousand waiting',
      'closed loop beside them',
      0.7,
      ratio('million', 'thousand'),
    ),
  ],
  backlog: [least('', 'accepting and draining them', 0.7, ratio('million', 'thousand'))],
  hold: [
    most('draining a million waiting orders', 'longest hold of the event loop, ms', 10, (of) =>
      of('ours'),
    ),
  ],
  heap: [
    most("heap per waiting order, beyond the caller's own object", 'bytes, `enqueue`', 300, (of) =>
      of('enqueue'),
    ),
    most('', "bytes, `submit`, its promise and the caller's included", 300, (of) => of('submit')),
  ],
  durable: [
    least(
      'on a file, full durability: closed loop, 1 000 in flight, 10 000 users',
      'of `raw`',
      1,
      ratio('ours', 'raw'),
    ),
    least('', 'with one step that returns at once, of `raw`', 0.7, ratio('oursStep', 'raw')),
  ],
  durableTransfers: [least('', 'transfers, of plain orders', 0.7, ratio('transfers', 'plain'))],
  durableRemember: [
    least(
      '',
      'with one step that is remembered, of the same step',
      0.7,
      ratio('remembered', 'plain'),
    ),
  ],
  durableFeed: [
    least('', 'beside a consumer of `outcomes`, of the same without', 0.95, ratio('fed', 'alone')),
  ],
  durableHot: [least('', 'one hot user, of `raw` on the same input', 0.5, ratio('ours', 'raw'))],
  durableOne: [
    least(
      'on a file: one caller, one order at a time',
      'of two bare commits',
      0.5,
      ratio('ours', 'commits'),
    ),
    least('', 'with one step, of two bare commits', 0.5, ratio('oursStep', 'commits')),
  ],
  durableDelay: [
    most('on a file, under full load', "99th percentile of the event loop's delay, ms", 10, (of) =>
      of('ours'),
    ),
  ],
  durableRecovery: [
    least(
      'taking up a million unsettled orders',
      'of the closed loop',
      0.5,
      ratio('recovery', 'closed'),
    ),
  ],
  durableHeap: [
    most('', 'heap meanwhile beyond the start, with `capacity` 10 000, MB', 30, (of) => of('ours')),
  ],
  tracing: [
    least(
      'three steps that await `setImmediate`, traced by OpenTelemetry, spans sampled out',
      'of the same without, by processor time',
      0.85,
      ratio('sampledOut', 'untraced'),
    ),
    least('', 'all spans recorded, and dropped', 0.5, ratio('recorded', 'untraced')),
  ],
  durableTracing: [
    least(
      'on a file: the same, spans sampled out',
      'of the same without',
      0.85,
      ratio('sampledOut', 'untraced'),
    ),
    least('', 'all spans recorded, and dropped', 0.5, ratio('recorded', 'untraced')),
  ],
  http: [
    least(
      '`POST /orders`, 256 connections, load from another process',
      'of a bare Hono route',
      0.7,
      ratio('memory', 'bare'),
    ),
    least('', 'on a file, of a bare Hono route', 0.5, ratio('file', 'bare')),
    least(
      '`POST /orders/batch`, orders per second',
      'times `POST /orders`',
      5,
      ratio('batch', 'memory'),
    ),
  ],
  grpc: [
    least(
      'unary `SubmitOrder`, 64 calls under way, load from another process',
      'of a bare ConnectRPC echo',
      0.7,
      ratio('grpc', 'grpcBare'),
    ),
  ],
  ...postgresRows,
  size: [
    most('core with its dependencies, minified and gzipped', 'kB', 15, (of) => of('core') / 1_000),
  ],
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const passes = flags.quick ? 2 : 5;
const roundsPerPass = flags.quick ? 1 : 2;

function isRow(name: string): name is keyof typeof rows {
  return Object.hasOwn(rows, name);
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

async function round(workload: string, contender: string): Promise<number[]> {
  const file = join(import.meta.dirname, 'round.ts');
  const args = ['--expose-gc', file, workload, contender, String(roundsPerPass)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as number[];
}

/** Contenders take turns, so that a machine that grows slower or faster does so for all alike. */
async function measure(workload: keyof typeof rows): Promise<MedianOf> {
  const figures = new Map<string, number[]>();
  if (workload === 'size') figures.set('core', [await bundleSize()]);
  else {
    const { contenders, check }: Workload = workloads[workload];
    await check?.();
    for (let pass = 1; pass <= passes; pass += 1) {
      for (const contender of contenders) {
        process.stderr.write(`${workload}: ${contender}, pass ${pass} of ${passes}\n`);
        const known = figures.get(contender) ?? [];
        figures.set(contender, [...known, ...(await round(workload, contender))]);
      }
    }
  }
  return (contender) => median(figures.get(contender) ?? []);
}

function line({ workload, figure, target, bound, digits, measured }: Row, of: MedianOf): string {
  const got = measured(of);
  const isMet = bound === 'least' ? got >= target : got <= target;
  const sign = bound === 'least' ? '≥' : '≤';
  const result = `${got.toFixed(digits)} ${isMet ? 'ok' : 'short'}`;
  return `| ${workload} | ${figure} | ${sign} ${target} | ${result} |`;
}

const selected = positionals.length > 0 ? positionals : Object.keys(rows);
const unknown = selected.filter((name) => !isRow(name));
if (unknown.length > 0) {
  console.error(`No workload ${unknown.join(', ')}. There are: ${Object.keys(rows).join(', ')}`);
  process.exitCode = 1;
} else {
  const lines: string[] = [];
  for (const name of selected.filter(isRow)) {
    const of = await measure(name);
    lines.push(...rows[name].map((row) => line(row, of)));
  }
  console.log(`Node ${process.version}, ${cpus().length} cores\n`);
  console.log('| workload | figure | target | measured |\n| --- | --- | --- | --- |');
  for (const each of lines) console.log(each);
}

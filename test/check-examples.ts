/** Runs every example as a user would and checks how it ends, and what the greater ones print. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const examples = join(import.meta.dirname, '../examples');
const names = readdirSync(examples)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const index = readFileSync(join(examples, 'README.md'), 'utf8');

async function run(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(examples, 'run.ts'), name], {
    timeout: 60_000,
    // CI may force colours where there is no terminal.
    env: { ...process.env, FORCE_COLOR: '0' },
  });
  return stdout;
}

function checkBalances(output: string): void {
  const [, orders, seconds] = /^Processed (\d+) orders in ([\d.]+) s$/m.exec(output) ?? [];
  assert.equal(orders, '128');
  // 30 orders in a row take 6 s. More on a busy machine, and never less.
  assert.ok(Number(seconds) >= 6 && Number(seconds) < 9, `The main job took ${seconds} s`);
  assert.match(output, /^Balance of user 1: 3100$/m);
  assert.match(output, /^ {2}completed: 128,$/m);
  assert.match(output, /^One more order: shut_down /m);
}

// With the durations as they would be on an idle machine and an exact clock.
const deliveries = `\
20 of 20 completed in 400 ms
Most couriers out at once: 5

remote: no_courier
{ name: 'payment', status: 'canceled', durationMs: 100, attempts: 1 }
{ name: 'vendor', status: 'canceled', durationMs: 100, attempts: 1 }
{ name: 'courier', status: 'error', durationMs: 100, attempts: 1, code: 'no_courier' }

declined: payment_declined
{ name: 'payment', status: 'error', durationMs: 150, attempts: 1, code: 'payment_declined' }
{ name: 'vendor', status: 'canceled', durationMs: 150, attempts: 1 }
{ name: 'courier', status: 'canceled', durationMs: 50, attempts: 1 }

fine: completed
{ name: 'payment', status: 'ok', durationMs: 150, attempts: 1 }
{ name: 'vendor', status: 'ok', durationMs: 200, attempts: 1 }
{ name: 'courier', status: 'ok', durationMs: 100, attempts: 1 }

fine too: completed
{ name: 'payment', status: 'ok', durationMs: 150, attempts: 1 }
{ name: 'vendor', status: 'ok', durationMs: 200, attempts: 1 }
{ name: 'courier', status: 'ok', durationMs: 100, attempts: 1 }

closed: refunded charge closed:payment (vendor_unavailable)
closed: called the courier back (vendor_unavailable)
closed: vendor_unavailable
{ name: 'payment', status: 'compensated', durationMs: 150, attempts: 1, compensation: { status: 'ok', durationMs: 20, attempts: 1 } }
{ name: 'vendor', status: 'error', durationMs: 200, attempts: 1, code: 'vendor_unavailable' }
{ name: 'courier', status: 'compensated', durationMs: 100, attempts: 1, compensation: { status: 'ok', durationMs: 0, attempts: 1 } }

late: refunded charge late:payment (timeout)
late: called the courier back (timeout)
late: timeout
{ name: 'payment', status: 'compensated', durationMs: 150, attempts: 1, compensation: { status: 'ok', durationMs: 20, attempts: 1 } }
{ name: 'vendor', status: 'canceled', durationMs: 1000, attempts: 1 }
{ name: 'courier', status: 'compensated', durationMs: 100, attempts: 1, compensation: { status: 'ok', durationMs: 0, attempts: 1 } }

`;

function checkDelivery(output: string): void {
  const duration = /(?<=durationMs: )\d+|\d+(?= ms$)/gm;
  assert.equal(output.replace(duration, '…'), deliveries.replace(duration, '…'));
  const expected = deliveries.match(duration)?.map(Number) ?? [];
  const actual = output.match(duration)?.map(Number) ?? [];
  for (const [at, ms] of expected.entries()) {
    const got = actual[at] ?? Number.NaN;
    // Node's timers may be a little early, and a step may begin a little after those beside it.
    assert.ok(got >= ms - 10 && got < ms + 250, `Duration ${at} is ${got} ms, not about ${ms} ms`);
  }
}

const statistics =
  /^processed (\d+), succeeded (\d+), failed (\d+), average (\d+) ms, 95th percentile (\d+) ms, active workers (\d+), queue length (\d+), uptime ([\d.]+) s$/;

function checkShop(output: string): void {
  assert.ok(!output.includes('\x1b'), 'The shop prints escape codes where there is no terminal');
  const [live = '', summary = ''] = output.split('\n\n');
  const views = live.split('\n').map((line) => {
    const figures = statistics.exec(line)?.slice(1).map(Number);
    assert.ok(figures, `The shop printed no statistics but: ${line}`);
    return figures;
  });
  // One a second and one at the end.
  assert.ok(views.length >= 2 && views.length <= 6, `The shop printed ${views.length} lines`);
  for (const [processed, succeeded = 0, failed = 0, , , active, queued = 0] of views.slice(0, -1)) {
    assert.equal(processed, succeeded + failed);
    // Near the end, orders wait for others of their own customers.
    assert.ok(active === 16 || queued < 16, `${queued} wait for ${active} workers`);
  }
  const [processed, succeeded, failed, average = 0, p95 = 0, active, queued, uptime = 0] =
    views.at(-1) ?? [];
  assert.deepEqual([processed, succeeded, failed, active, queued], [300, 273, 27, 0, 0]);
  // Each order takes from 70 to 190 ms; the percentile may be 1/16 too high.
  assert.ok(average >= 120 && average < 250, `The average is ${average} ms`);
  assert.ok(p95 >= 180 && p95 < 400, `The 95th percentile is ${p95} ms`);
  // 300 orders by 16 workers take 2.4 s.
  assert.ok(uptime >= 2.3 && uptime < 5, `The shop took ${uptime} s`);

  const [, urgent, usual] =
    /^Average wait: (\d+) ms if urgent, else (\d+) ms$/m.exec(summary) ?? [];
  assert.ok(Number(urgent) < Number(usual) / 2, `Urgent waited ${urgent} ms, others ${usual} ms`);
  assert.equal(
    summary.replace(/^Average wait: .*\n/m, ''),
    `\
Refused: The least amount is 1, got 0
Refused: The greatest amount is 1000000, got 1000001
Refused: At most 50 items, got 51
Refused: The payload does not fit the schema: customer.card: expected a string; address: expected a string; items[1]: expected a string
Outcomes: 273 completed, 12 out_of_stock, 15 payment_declined, 1 amount_too_small, 1 amount_too_large, 1 too_many_items, 1 invalid_order
Labels: 29 expedited, 44 priority_processing
`,
  );
}

function checkOwnStorage(output: string): void {
  const [tests = '', orders] = output.split('\n\n');
  const passed = tests.split('\n').filter((line) => /^ok balance rules? [1-6]\b.*: ./.test(line));
  assert.ok(passed.length >= 20, `Only ${passed.length} tests passed`);
  assert.equal(tests.split('\n').at(-1), `${passed.length} tests passed`);
  assert.equal(orders, 'ada has 1200\nben has 500\nada has 1000\nben: insufficient_funds\n');
}

function checkDurable(output: string): void {
  assert.match(output, /^Accepted \d+ orders, and was ended by SIGKILL$/m);
  assert.match(output, /^Took up the orders that were left$/m);
  assert.match(output, /^Lost: 0$/m);
  assert.match(output, /^Balances that are not the sum of their orders: 0$/m);
}

const checks: Readonly<Record<string, (output: string) => void>> = {
  balances: checkBalances,
  delivery: checkDelivery,
  durable: checkDurable,
  'own-storage': checkOwnStorage,
  shop: checkShop,
};

for (const name of names) {
  assert.ok(index.includes(`](${name}.ts)`), `examples/README.md does not list ${name}`);
  const output = await run(name);
  checks[name]?.(output);
  console.log(`${name} ok`);
}
for (const name of Object.keys(checks)) assert.ok(names.includes(name), `No example ${name}`);
await assert.rejects(run('no-such-example'), /There are: balances/);

import assert from 'node:assert/strict';

const statistics =
  /^processed (\d+), succeeded (\d+), failed (\d+), average (\d+) ms, 95th percentile (\d+) ms, active workers (\d+), queue length (\d+), uptime ([\d.]+) s$/;

export function checkShop(output: string): void {
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
Refused: The payload does not fit the schema: payload.customer.card: expected a string; payload.address: expected a string; payload.items[1]: expected a string
Outcomes: 273 completed, 12 out_of_stock, 15 payment_declined, 1 amount_too_small, 1 amount_too_large, 1 too_many_items, 1 invalid_order
Labels: 29 expedited, 44 priority_processing
`,
  );
}

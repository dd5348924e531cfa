import assert from 'node:assert/strict';

export function checkBalances(output: string): void {
  const [, orders, seconds] = /^Processed (\d+) orders in ([\d.]+) s$/m.exec(output) ?? [];
  assert.equal(orders, '128');
  // 30 orders in a row take 6 s. More on a busy machine, and never less.
  assert.ok(Number(seconds) >= 6 && Number(seconds) < 9, `The main job took ${seconds} s`);
  assert.match(output, /^Balance of user 1: 3100$/m);
  assert.match(output, /^ {2}completed: 128,$/m);
  assert.match(output, /^One more order: shut_down /m);
}

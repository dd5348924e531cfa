import assert from 'node:assert/strict';

export function checkOwnStorage(output: string): void {
  const [tests = '', orders] = output.split('\n\n');
  const passed = tests.split('\n').filter((line) => /^ok balance rules? [1-7]\b.*: ./.test(line));
  assert.ok(passed.length >= 20, `Only ${passed.length} tests passed`);
  assert.equal(tests.split('\n').at(-1), `${passed.length} tests passed`);
  assert.equal(orders, 'ada has 1200\nben has 500\nada has 1000\nben: insufficient_funds\n');
}

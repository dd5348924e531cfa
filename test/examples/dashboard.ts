import assert from 'node:assert/strict';

export function checkDashboard(output: string): void {
  const lines = output.trim().split('\n');
  assert.match(lines[0] ?? '', /^The dashboard is at http:\/\/127\.0\.0\.1:\d+\/$/);
  assert.equal(lines[1], 'Orders completed');
  const [, held] = /^(\d+) lanes held, \d+ codes$/.exec(lines[2] ?? '') ?? [];
  assert.ok(Number(held) >= 1, `The example shows no held lane, but: ${output}`);
}

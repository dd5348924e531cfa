import assert from 'node:assert/strict';

const line =
  /^ *\d+\.\d s {2}(\d+ orders\/s; partitions: [a-z]+ \d+(, [a-z]+ \d+)+|the slowest answer took \d+\.\d\d s|[a-z0-9 .,;:]+)$/i;

export function checkCluster(output: string): void {
  assert.ok(!output.includes('\x1b'), 'It prints escape codes where there is no terminal');
  const [live = '', proof = ''] = output.split('\n\n');
  for (const each of live.split('\n')) assert.match(each, line);
  for (const event of ['south is killed', 'west freezes', 'west wakes', 'east is added']) {
    assert.ok(live.includes(event), `It does not say that ${event}`);
  }
  const [counted = '', ...findings] = proof.trimEnd().split('\n');
  const [, orders, again] =
    /^(\d+) orders; (\d+) of them were sent again elsewhere$/.exec(counted) ?? [];
  assert.ok(Number(orders) > 1_000, counted);
  assert.ok(Number(again) > 0, 'No caller has noticed that a process was killed');
  assert.equal(findings.pop(), 'Nothing is lost, and every cent is where it belongs');
  assert.equal(findings.length, 6);
  for (const each of findings) assert.match(each, / 0$/);
}

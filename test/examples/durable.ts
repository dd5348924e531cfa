import assert from 'node:assert/strict';

export function checkDurable(output: string): void {
  assert.match(output, /^Accepted \d+ orders, and was ended by SIGKILL$/m);
  assert.match(output, /^Took up the orders that were left$/m);
  assert.match(output, /^Lost: 0$/m);
  assert.match(output, /^Balances that are not the sum of their orders: 0$/m);
}

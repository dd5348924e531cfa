import assert from 'node:assert/strict';

// With the durations as they would be on an idle machine and an exact clock.
const deliveries = `\
20 of 20 completed in 400 ms
Most couriers out at once: 5

remote: refunded charge remote:payment, which was lost in flight (no_courier)
remote: no_courier
{ name: 'payment', status: 'canceled', durationMs: 100, attempts: 1, compensation: { status: 'ok', durationMs: 20, attempts: 1 } }
{ name: 'vendor', status: 'canceled', durationMs: 100, attempts: 1 }
{ name: 'courier', status: 'error', durationMs: 100, attempts: 1, code: 'no_courier' }

declined: called the courier back (payment_declined)
declined: payment_declined
{ name: 'payment', status: 'error', durationMs: 150, attempts: 1, code: 'payment_declined' }
{ name: 'vendor', status: 'canceled', durationMs: 150, attempts: 1 }
{ name: 'courier', status: 'canceled', durationMs: 50, attempts: 1, compensation: { status: 'ok', durationMs: 0, attempts: 1 } }

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

Charges that stand: 22, as many as orders that completed
`;

export function checkDelivery(output: string): void {
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

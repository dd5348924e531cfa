import assert from 'node:assert/strict';

const trees = `\
POST /deliveries (server)
  send orders (producer)

process orders (consumer)
  → send orders
  • order_processor.step.pause: 40 ms
  payment (internal, bank_busy)
    POST /charges (client)
  vendor (internal)
    POST /kitchen (client)
  payment (internal)
    POST /charges (client)
  courier (internal)
    POST /couriers (client)
  settle orders (client)
    → process orders

`;

export function checkTracing(output: string): void {
  assert.equal(output, trees);
}

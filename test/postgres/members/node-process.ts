/** A processor in a process of its own, which can be killed or stopped. It settles nothing unless it is told to. */

import type { StoredOrder } from 'order-processor';
import { UnreadableOrders } from '../../../src/core/storage/reading/unreadable-orders.ts';
import { Membership } from '../../../src/postgres/members/membership.ts';
import type { MembershipOptions } from '../../../src/postgres/members/membership-options.ts';
import { settle } from './raw-writes.ts';

const options = JSON.parse(process.argv[2] as string) as MembershipOptions;
const send = (message: unknown): void => void process.send?.(message);
const given: StoredOrder[] = [];

const members = new Membership(options, new UnreadableOrders(options.schema).report);
await members.open();
const first = members.life;
members.join({
  gained: ({ number }) => send(['gained', number]),
  released: async ({ number }) => send(['released', number]),
  lost: ({ number }) => send(['lost', number]),
  settled: ({ id }) => send(['settled', id]),
  cancel: (id) => send(['cancel', id]),
  asked: ({ id }) => send(['asked', id]),
  answered: (id) => send(['answered', id]),
  applied: () => {},
});
process.on('message', async () => {
  try {
    await settle(members, first, given);
    send(['wrote', 'settled']);
  } catch (error) {
    send(['wrote', (error as Error).message]);
  }
});
for await (const { orders, isCaughtUp } of members.orders()) {
  given.push(...orders);
  for (const { id } of orders) send(['given', id]);
  if (isCaughtUp) send(['caught up', '']);
}

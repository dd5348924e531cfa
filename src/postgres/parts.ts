import { quote } from '../core/runtime/thrown.ts';
import { UnreadableOrders } from '../core/storage/reading/unreadable-orders.ts';
import { SettleHook } from './hosts/settle-hook.ts';
import { openQuerySession } from './members/life.ts';
import { Membership } from './members/membership.ts';
import type { CheckedOptions } from './open-options.ts';
import { Operation } from './operation/operation.ts';
import { openSchema } from './schema/opened.ts';
import { QuerySessions } from './sessions/query-sessions.ts';
import { Reads } from './statements/reads.ts';
import { FencedWrites } from './writes/fenced-writes.ts';
import { Writes } from './writes/writes.ts';

/** What a storage is made of. */
export interface Parts {
  /** Identifies what the schema keeps. */
  readonly id: string;
  readonly schema: string;
  readonly members: Membership;
  readonly reads: Reads;
  readonly writes: Writes;
  readonly fenced: FencedWrites;
  readonly operation: Operation;
}

/** Connects to the database, and puts the parts together. */
export async function openParts(options: CheckedOptions): Promise<Parts> {
  const { schema, onSettle, onSettleTimeoutMs } = options;
  const { id, partitions } = await openSchema(options);
  const { report } = new UnreadableOrders(`the schema ${quote(schema)}`);
  const sessions = new QuerySessions((onEnd) => openQuerySession(options, onEnd));
  const operation = new Operation(sessions, schema);
  const members = new Membership({ ...options, partitions }, report);
  await members.open();
  await operation.begin(options.retain);
  const hook = onSettle && new SettleHook(onSettle, onSettleTimeoutMs, schema);
  return {
    ...{ id, schema, members, operation },
    reads: new Reads(sessions, schema, report),
    writes: new Writes(members, schema, partitions, hook),
    fenced: new FencedWrites(members, partitions),
  };
}

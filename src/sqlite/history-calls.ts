import type { StoredOrder } from '../core/order/stored-order.ts';
import type {
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredBalance,
  StoredBalanceQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from '../core/storage/history/history-storage.ts';
import type { RetriedOrder, StoredHold, StoredHoldQuery } from '../core/storage/holds/hold.ts';
import type { UnreadableOrders } from '../core/storage/reading/unreadable-orders.ts';
import { readHolds, writeHold, writeRelease } from './holds/hold-codec.ts';
import type { OpenFile } from './open-file.ts';
import * as codec from './thread/codec.ts';
import { readOrders } from './thread/read-orders.ts';
import type { Reader } from './thread/wire.ts';

// Calls that read a file, and those of held lanes.

export function get(file: OpenFile, userId: string): Promise<number | undefined> {
  return file.read(
    'get',
    (writer) => writer.text(userId),
    (reader) => reader.maybeNumber() ?? undefined,
  );
}

export function balances(
  file: OpenFile,
  { after = '', limit }: StoredBalanceQuery,
): Promise<readonly StoredBalance[]> {
  return file.read(
    'balances',
    (writer) => {
      writer.text(after);
      writer.number(limit);
    },
    readBalances,
  );
}

function readBalances(reader: Reader): readonly StoredBalance[] {
  const balances: StoredBalance[] = [];
  while (reader.number() !== 0) {
    const userId = reader.text();
    const balance = reader.number();
    balances.push({ userId, balance, knownFrom: reader.maybeNumber() ?? undefined });
  }
  return balances;
}

export async function find(file: OpenFile, id: string): Promise<StoredOrder | undefined> {
  const orders = await file.read(
    'find',
    (writer) => writer.text(id),
    (reader) =>
      readOrders(reader, (error) => {
        throw error;
      }),
  );
  return orders[0];
}

export function settled(
  file: OpenFile,
  { after, limit }: SettledQuery,
  unreadable: UnreadableOrders,
): Promise<SettledPage> {
  return file.read(
    'settled',
    (writer) => writer.numbers(after, limit),
    (reader) => codec.readSettledPage(reader, unreadable.report),
  );
}

export function movements(file: OpenFile, query: StoredMovementQuery): Promise<StoredMovementPage> {
  return file.read(
    'movements',
    (writer) => codec.writeMovementQuery(writer, query),
    (reader) => codec.readMovements(reader, query.userId),
  );
}

export function balanceAt(file: OpenFile, userId: string, time: number): Promise<PastBalance> {
  return file.read(
    'balanceAt',
    (writer) => {
      writer.text(userId);
      writer.number(time);
    },
    codec.readPastBalance,
  );
}

export function hold(file: OpenFile, held: StoredHold): Promise<void> {
  return file.write(
    'hold',
    (writer) => writeHold(writer, held),
    () => {},
  );
}

export function release(file: OpenFile, userId: string, retried?: RetriedOrder): Promise<void> {
  return file.write(
    'release',
    (writer) => writeRelease(writer, userId, retried),
    () => {},
  );
}

export function holds(
  file: OpenFile,
  { after = '', limit }: StoredHoldQuery,
): Promise<readonly StoredHold[]> {
  return file.read(
    'holds',
    (writer) => {
      writer.text(after);
      writer.number(limit);
    },
    readHolds,
  );
}

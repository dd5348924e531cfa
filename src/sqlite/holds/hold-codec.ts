import type { Hold } from '../../core/storage/holds/hold.ts';
import type { Reader, Writer } from '../thread/wire.ts';

/** Writes a hold as `readHold` reads it. */
export function writeHold(
  writer: Writer,
  { userId, reason, heldAt, orderId, code, message }: Hold,
): void {
  writer.text(userId);
  writer.number(heldAt);
  for (const text of [reason, orderId, code, message]) writer.text(text);
}

export function readHold(reader: Reader): Hold {
  const userId = reader.text();
  const heldAt = reader.number();
  const [reason, orderId, code, message] = Array.from(
    { length: 4 },
    () => reader.maybeText() ?? undefined,
  );
  const order = orderId === undefined ? {} : { orderId, code, message };
  return { userId, reason, heldAt, ...order };
}

/** Reads holds, each after a 1, with a 0 after the last. */
export function readHolds(reader: Reader): readonly Hold[] {
  const holds: Hold[] = [];
  while (reader.number() !== 0) holds.push(readHold(reader));
  return holds;
}

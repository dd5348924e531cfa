import type { Hold, RetriedOrder } from '../../core/storage/holds/hold.ts';
import type { Reader, Writer } from '../thread/wire.ts';

/** Writes a hold as `readHold` reads it. */
export function writeHold(
  writer: Writer,
  { userId, reason, heldAt, orderId, code, message, compensated }: Hold,
): void {
  writer.text(userId);
  writer.number(heldAt);
  for (const text of [reason, orderId, code, message]) writer.text(text);
  writer.text(compensated && JSON.stringify(compensated));
}

export function readHold(reader: Reader): Hold {
  const userId = reader.text();
  const heldAt = reader.number();
  const [reason, orderId, code, message] = Array.from(
    { length: 4 },
    () => reader.maybeText() ?? undefined,
  );
  const compensated = reader.maybeText();
  return {
    ...{ userId, reason, heldAt },
    ...(orderId !== undefined && { orderId, code, message }),
    ...(compensated !== null && { compensated: JSON.parse(compensated) as string[] }),
  };
}

/** Reads holds, each after a 1, with a 0 after the last. */
export function readHolds(reader: Reader): readonly Hold[] {
  const holds: Hold[] = [];
  while (reader.number() !== 0) holds.push(readHold(reader));
  return holds;
}

/** Writes the end of a hold as `HoldRows.release` reads it. */
export function writeRelease(writer: Writer, userId: string, retried?: RetriedOrder): void {
  writer.text(userId);
  writer.text(retried?.orderId);
  writer.text(retried && JSON.stringify({ compensations: retried.compensations }));
}

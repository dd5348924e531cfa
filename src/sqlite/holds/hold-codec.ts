import { type HeldFailure, isHeldFailure } from '../../core/storage/holds/held-failure.ts';
import type { RetriedOrder, StoredHold } from '../../core/storage/holds/hold.ts';
import type { Reader, Writer } from '../thread/wire.ts';

/** Writes a hold as `HoldRows.hold` reads it. */
export function writeHold(
  writer: Writer,
  { userId, reason, heldAt, orderId, code, message, compensated, failure }: StoredHold,
): void {
  writer.text(userId);
  writer.number(heldAt);
  for (const text of [reason, orderId, code, message]) writer.text(text);
  for (const value of [compensated, failure]) writer.text(value && JSON.stringify(value));
}

/** Reads holds, as `HoldReads.holds` writes them. */
export function readHolds(reader: Reader): readonly StoredHold[] {
  const holds: StoredHold[] = [];
  while (reader.number() !== 0) holds.push(readHold(reader));
  return holds;
}

function readHold(reader: Reader): StoredHold {
  const userId = reader.text();
  const heldAt = reader.number();
  const text = (): string | undefined => reader.maybeText() ?? undefined;
  const [reason, orderId, code, message] = [text(), text(), text(), text()];
  const compensated = valueIn(text(), areTexts);
  const failure = valueIn<HeldFailure>(text(), isHeldFailure);
  return {
    ...{ userId, reason, heldAt },
    ...(orderId !== undefined && { orderId, code, message }),
    ...(compensated !== undefined && { compensated }),
    ...(failure !== undefined && { failure }),
  };
}

/** What was changed at a shell must not hide the hold. */
function valueIn<T>(
  json: string | undefined,
  isRight: (value: unknown) => value is T,
): T | undefined {
  try {
    const value: unknown = json === undefined ? undefined : JSON.parse(json);
    return isRight(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** Writes the end of a hold as `HoldRows.release` reads it. */
export function writeRelease(writer: Writer, userId: string, retried?: RetriedOrder): void {
  writer.text(userId);
  writer.text(retried?.orderId);
  writer.text(retried && JSON.stringify({ compensations: retried.compensations }));
}

import { systemTime } from '../../runtime/system-time.ts';
import type { Events } from '../events.ts';
import type { StoredBatch } from '../processor-events.ts';

/** A call of the storage has ended. Its results are not notified yet. */
export type CallEnd = (isFailed: boolean) => void;

/** A call of the storage begins. The returned function is called at its end; `undefined` without listeners. */
export function storageCall(
  { notify }: Events,
  operation: StoredBatch['operation'],
  size: number,
): CallEnd | undefined {
  if (notify.stored === undefined) return undefined;
  const startedAt = systemTime.now();
  return (isFailed) => {
    const durationMs = systemTime.now() - startedAt;
    notify.stored?.({ operation, size, durationMs, isFailed });
  };
}

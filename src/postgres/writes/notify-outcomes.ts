import type { Channels } from '../members/channels.ts';
import type { Life } from '../members/life.ts';
import { type Note, sendNotes } from '../statements/notify.ts';

/** How many sequences are in one note at most: it may have 8 000 bytes. */
const mostInNote = 450;

/**
 * Notifies other processors of outcomes that are awaited there, behind the settlement. They ask by themselves for what
 * does not reach them.
 *
 * @param awaited - see `SettledRow`
 */
export function notifyOutcomes(life: Life, channels: Channels, awaited: string | null): void {
  if (awaited === null) return;
  const byProcessor = new Map<number, number[]>();
  const rows = JSON.parse(awaited) as [number, number | null, readonly number[] | null][];
  for (const [sequence, origin, watchers] of rows) {
    for (const processor of new Set([origin, ...(watchers ?? [])])) {
      if (processor === null || processor === life.number) continue;
      const sequences = byProcessor.get(processor);
      if (sequences === undefined) byProcessor.set(processor, [sequence]);
      else sequences.push(sequence);
    }
  }
  const notes: Note[] = [];
  for (const [processor, sequences] of byProcessor) {
    const channel = channels.outcomes(processor);
    for (let at = 0; at < sequences.length; at += mostInNote) {
      notes.push({ channel, note: sequences.slice(at, at + mostInNote).join(' ') });
    }
  }
  sendNotes(life.settle, notes).catch(() => {});
}

import { parseAcceptNote } from '../notes/accept-note.ts';
import type { AwaitedOrders } from '../notes/awaited-orders.ts';
import type { OrderReader } from '../notes/order-reader.ts';
import { parseDelayedNote } from '../notes/partitions/due-orders.ts';
import { parseCancelNote } from '../notes/requests.ts';
import type { Channels } from './channels.ts';
import { appliedNote, type Following } from './following.ts';
import type { Shares } from './shares.ts';

/** Those that notes are for. */
export interface NoteReceivers {
  /** The next two are of the life that there is. */
  readonly reader: OrderReader | undefined;
  readonly shares: Shares | undefined;
  readonly awaited: AwaitedOrders;
  readonly following: Following;
  readonly requests: { heard(payload: string): boolean };
}

/** A note has come: gives it to whom it is for. */
export function takeNote(
  channels: Channels,
  channel: string,
  payload: string,
  { reader, shares, awaited, following, requests }: NoteReceivers,
): void {
  if (channel === channels.accepted) {
    const note = parseAcceptNote(payload) ?? parseDelayedNote(payload);
    if (note !== undefined) reader?.heard(note);
  } else if (channel === channels.control) {
    const cancel = parseCancelNote(payload);
    if (cancel !== undefined) {
      reader?.cancelRequested(cancel.part, cancel.sequence, cancel.id);
      return;
    }
    if (requests.heard(payload)) return;
    // It may have settled orders, and died before it could note that.
    if (payload.startsWith('evicted')) {
      awaited.askAll();
      following.heard();
    }
    shares?.tend();
  } else if (payload === appliedNote) following.heard();
  else awaited.heard(payload);
}

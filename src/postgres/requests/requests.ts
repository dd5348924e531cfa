import type { OwnerRequest } from '../../core/storage/requests/owner-requests.ts';
import type { OwnedPartition, SharedStorageListener } from '../../core/storage/shared-storage.ts';
import type { Channels } from '../members/channels.ts';
import type { Life } from '../members/life.ts';
import { keepRequest } from '../statements/requests.ts';
import { AwaitedAnswers } from './awaited-answers.ts';
import { OwnedRequests } from './owned-requests.ts';

/** Requests to the owners of partitions: those that are to be done here, and those whose answers are awaited here. */
export class Requests {
  readonly #channels: Channels;
  readonly #owned: OwnedRequests;
  readonly #awaited: AwaitedAnswers;

  /** @param life - the one that there is */
  constructor(
    channels: Channels,
    life: () => Life | undefined,
    listener: Pick<SharedStorageListener, 'asked' | 'answered'>,
  ) {
    this.#channels = channels;
    this.#owned = new OwnedRequests(life, listener.asked);
    this.#awaited = new AwaitedAnswers(life, listener.answered);
  }

  /** Keeps a request of this processor, and awaits its answer. */
  async keep({ accept }: Life, request: OwnerRequest): Promise<void> {
    const { id } = request;
    // The answer may come first.
    this.#awaited.add(id);
    try {
      await keepRequest(accept, request, this.#channels.control);
    } catch (error) {
      this.#awaited.delete(id);
      throw error;
    }
  }

  /** The processor owns a partition from now on. */
  gain(partition: OwnedPartition): void {
    this.#owned.gain(partition);
  }

  drop(partition: OwnedPartition): void {
    this.#owned.drop(partition);
  }

  /** Takes a note of the channel for control; false for another one. */
  heard(payload: string): boolean {
    const [, kind, value = ''] = /^(asked|answered) (.+)$/s.exec(payload) ?? [];
    if (kind === 'asked') this.#owned.noted(Number(value));
    else if (kind === 'answered') this.#awaited.noted(value);
    return kind !== undefined;
  }

  /** Answers may have been missed: another life has begun. */
  askAll(): void {
    this.#awaited.askAll();
  }

  close(): void {
    this.#awaited.close();
  }
}

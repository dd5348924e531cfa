import type { OwnedPartition } from '../../../core/storage/shared-storage.ts';
import { type AcceptNote, isOf } from '../accept-note.ts';
import { type DueUser, PartitionReading } from './partition-reading.ts';

/** How far the owned partitions are read. */
export class PartitionReadings {
  readonly #readings = new Map<number, PartitionReading>();
  /** The partitions of all readings: the bit of each. */
  #bits = 0n;
  readonly #boundOfUser: number;

  /** @param boundOfUser - how many unsettled orders a user may have in memory */
  constructor(boundOfUser: number) {
    this.#boundOfUser = boundOfUser;
  }

  get size(): number {
    return this.#readings.size;
  }

  get all(): PartitionReading[] {
    return [...this.#readings.values()];
  }

  get live(): PartitionReading[] {
    return this.all.filter(({ isLive }) => isLive);
  }

  get behind(): PartitionReading[] {
    return this.all.filter(({ isLive }) => !isLive);
  }

  get parts(): number[] {
    return [...this.#readings.keys()];
  }

  get dueUsers(): DueUser[] {
    return this.all.flatMap((reading) => reading.dueUsers());
  }

  get(part: number): PartitionReading | undefined {
    return this.#readings.get(part);
  }

  gain(partition: OwnedPartition): void {
    this.#readings.set(partition.number, new PartitionReading(partition, this.#boundOfUser));
    this.#bits |= 1n << BigInt(partition.number);
  }

  /** @returns whether it was there */
  drop(partition: OwnedPartition): boolean {
    if (this.#readings.get(partition.number)?.partition !== partition) return false;
    this.#readings.delete(partition.number);
    this.#bits &= ~(1n << BigInt(partition.number));
    return true;
  }

  /** Whether one of the partitions is among these bits. */
  includesOf(bits: bigint): boolean {
    return (bits & this.#bits) !== 0n;
  }

  /** Whether a partition was dropped. */
  isGone(reading: PartitionReading): boolean {
    return this.#readings.get(reading.partition.number) !== reading;
  }

  /** The partitions of which orders may be taken that the note is of. */
  of(note: AcceptNote): PartitionReading[] {
    return this.all.filter(
      (reading) => isOf(note, reading.partition.number) && note.low <= reading.noteCursor,
    );
  }
}

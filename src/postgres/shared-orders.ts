import type { StoredOrder } from '../core/order/stored-order.ts';
import type { StoredHold, StoredHoldQuery } from '../core/storage/holds/hold.ts';
import type { OwnerRequest } from '../core/storage/requests/owner-requests.ts';
import type {
  ClusterStats,
  SharedOrders,
  SharedPage,
  SharedStorageListener,
} from '../core/storage/shared-storage.ts';
import type { Membership } from './members/membership.ts';
import type { ClusterView } from './operation/cluster-view.ts';
import type { Reads } from './statements/reads.ts';
import type { FencedWrites } from './writes/fenced-writes.ts';

/** How the processor of a `PostgresStorage` shares the database with others. */
export class PostgresSharedOrders implements SharedOrders {
  readonly #members: Membership;
  readonly #reads: Reads;
  readonly #writes: FencedWrites;
  readonly #view: ClusterView;

  constructor(members: Membership, reads: Reads, writes: FencedWrites, view: ClusterView) {
    this.#members = members;
    this.#reads = reads;
    this.#writes = writes;
    this.#view = view;
  }

  get name(): string {
    return this.#members.name;
  }

  get clockAheadMs(): number {
    return this.#members.clock.aheadMs;
  }

  join(listener: SharedStorageListener): void {
    this.#members.join(listener);
  }

  orders(): AsyncIterable<SharedPage> {
    return this.#members.orders();
  }

  watch(ids: readonly string[]): Promise<readonly (StoredOrder | undefined)[]> {
    return this.#members.watch(ids);
  }

  cancel(id: string): Promise<void> {
    return this.#members.cancel(id);
  }

  follow(isFollowing: boolean): void {
    this.#members.follow(isFollowing);
  }

  mayBegin(): boolean {
    return this.#members.mayBegin();
  }

  leave(): void {
    this.#members.leave();
  }

  cluster(): ClusterStats | undefined {
    return this.#view.stats(() => this.#members.life.number);
  }

  async request(request: OwnerRequest): Promise<void> {
    const { life, requests } = this.#members;
    await requests.keep(life, request);
  }

  begin(request: OwnerRequest): Promise<'lost' | undefined> {
    return this.#writes.begin(request);
  }

  answer(request: OwnerRequest, answer: string): Promise<'lost' | undefined> {
    return this.#writes.answer(request, answer);
  }

  holdsOf(partition: number, query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#reads.holdsOf(partition, query);
  }

  holdOf(userId: string): Promise<StoredHold | undefined> {
    return this.#reads.holdOf(userId);
  }
}

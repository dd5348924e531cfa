import type { BalanceChange, BalanceStorage } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { HostStorage } from '../model/host-storage.ts';
import type { Scenario } from './plan.ts';

/** The model's storage, which also may be slow or fail when it is asked for a balance. */
export class AskedStorage implements BalanceStorage {
  readonly host: HostStorage;
  readonly #answers: Scenario['balanceAnswers'][number][];
  readonly #latencyMs: readonly number[];
  readonly #clock: VirtualClock | undefined;
  #asked = 0;

  constructor({ storage, answers, balanceAnswers, latencyMs }: Scenario, clock: VirtualClock) {
    this.#clock = storage === 'async' ? clock : undefined;
    this.host = new HostStorage(answers, latencyMs, this.#clock);
    this.#answers = [...balanceAnswers];
    this.#latencyMs = latencyMs;
  }

  get(userId: string): number | undefined | Promise<number | undefined> {
    this.#asked += 1;
    const answer = this.#answers.shift() ?? 'works';
    if (answer === 'throws') throw new Error('The storage does not know');
    const ms = this.#latencyMs[this.#asked % this.#latencyMs.length] ?? 0;
    const give = (): number | undefined => {
      if (answer === 'rejects') throw undefined;
      return this.host.get(userId);
    };
    return this.#clock === undefined ? give() : this.#clock.sleep(ms).then(give);
  }

  apply(changes: readonly BalanceChange[]): ReturnType<HostStorage['apply']> {
    return this.host.apply(changes);
  }

  close(): void {
    this.host.close();
  }
}

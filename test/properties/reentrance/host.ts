/** The code of a host that the processor calls: storages, steps, a schema and rules. Any of it may call back. */
import {
  type BalanceStorage,
  MemoryStorage,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';

/** Draws at random, the same for the same seed. */
export interface Dice {
  /** An integer from 0 up to but without `n`. */
  pick(n: number): number;
  chance(share: number): boolean;
}

/** What a life is like from its beginning to its end. */
export interface Traits {
  readonly storage: 'memory' | 'kept' | 'balances';
  /** Whether steps, storages, schemas and signals call the processor, and not only listeners. */
  readonly isWild: boolean;
  readonly fails: boolean;
  readonly hangs: boolean;
  readonly hasSteps: boolean;
  /** One that may be asynchronous: orders are accepted in another order than handed in. */
  readonly hasSchema: boolean;
}

/** What host code does with the processor when it is called. */
export interface CallsBack {
  /** Does something at random. */
  act(): void;
  /** Hands in one more order from inside a step. */
  handIn(): Promise<unknown> | undefined;
}

/** How deep code that runs inside `submit` calls `submit`. */
const deepest = 5;

export class Host {
  readonly kept = new KeptStorage();
  readonly #balances = new MemoryStorage();
  readonly #traits: Traits;
  readonly #dice: Dice;
  readonly #clock: VirtualClock;
  readonly #back: CallsBack;
  /** From the moment on that there is a processor to call. */
  isReady = false;
  #depth = 0;

  constructor(traits: Traits, dice: Dice, clock: VirtualClock, back: CallsBack) {
    this.#traits = traits;
    this.#dice = dice;
    this.#clock = clock;
    this.#back = back;
    this.kept.fate = () => this.#fate();
  }

  options(): OrderProcessorOptions {
    const { chance, pick } = this.#dice;
    const options: OrderProcessorOptions = {
      steps: this.#traits.hasSteps ? [this.#step()] : [],
      capacity: chance(0.5) ? 3 + pick(10) : 1_000,
      overflow: chance(0.5) ? 'wait' : 'reject',
      concurrency: 1 + pick(4),
      ...(chance(0.3) && { minBalance: 0 }),
      ...(chance(0.3) && { timeoutMs: 30, stalledAfterMs: 50 }),
      ...(chance(0.3) && { capacityPerUser: 2 + pick(3) }),
      ...(this.#traits.hasSchema && { schema: this.#schema() }),
      ...(this.#traits.isWild && chance(0.3) && { rules: [() => this.#actInside()] }),
    };
    if (this.#traits.storage === 'kept') return { ...options, storage: this.kept };
    return this.#traits.storage === 'memory'
      ? options
      : { ...options, storage: this.#balancesOnly() };
  }

  /** Calls the processor, one time in some. */
  #mayAct(share: number): void {
    if (this.isReady && this.#traits.isWild && this.#dice.chance(share)) this.#back.act();
  }

  /** The same of code that `submit` runs. */
  #actInside(): undefined {
    if (this.#depth >= deepest) return;
    this.#depth += 1;
    this.#mayAct(0.05);
    this.#depth -= 1;
  }

  #fate(): Fate | Promise<Fate> {
    const { chance, pick } = this.#dice;
    this.#mayAct(0.1);
    const fate = this.#drawFate();
    if (fate === 'throws' || chance(0.3)) return fate;
    return this.#clock.sleep(pick(5) + 1).then(() => fate);
  }

  #drawFate(): Fate {
    const { chance, pick } = this.#dice;
    const failures = ['throws', 'rejects', 'fails late'] as const;
    if (this.#traits.fails && chance(0.2)) return failures[pick(3)] as Fate;
    return this.#traits.hangs && chance(0.05) ? 'hangs' : 'works';
  }

  #balancesOnly(): BalanceStorage {
    const { chance, pick } = this.#dice;
    const balances = this.#balances;
    return {
      get: (userId) =>
        chance(0.5) ? balances.get(userId) : this.#clock.sleep(1).then(() => balances.get(userId)),
      apply: (changes) => {
        this.#mayAct(0.1);
        if (this.#traits.fails && chance(0.1)) throw new Error('The disk is full');
        if (chance(0.5)) return balances.apply(changes);
        return this.#clock.sleep(pick(4)).then(() => balances.apply(changes));
      },
    };
  }

  #step(): Step {
    const { chance, pick } = this.#dice;
    const retryIf = (): boolean => {
      this.#mayAct(0.3);
      return chance(0.8);
    };
    return {
      name: 'work',
      run: (_, { signal }) => this.#work(signal),
      ...(chance(0.4) && { timeoutMs: 20 }),
      ...(chance(0.3) && { retry: { attempts: 3, delayMs: 5, retryIf } }),
      ...(chance(0.5) && {
        compensate: () => {
          this.#mayAct(0.3);
          if (chance(0.5)) return undefined;
          return chance(0.2) ? Promise.reject(new Error('Refused')) : this.#clock.sleep(pick(20));
        },
      }),
    };
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { chance, pick } = this.#dice;
    this.#mayAct(0.2);
    if (this.#traits.isWild) signal.addEventListener('abort', () => this.#mayAct(0.4));
    const kind = pick(12);
    if (kind < 4) return;
    if (kind < 8) return this.#clock.sleep(pick(6));
    if (kind === 8) return this.#clock.sleep(pick(300), signal);
    if (kind === 9 && this.#traits.hangs) return this.#clock.sleep(2_000_000);
    if (kind === 10) throw Object.assign(new Error('Declined'), { code: 'declined' });
    if (chance(0.5)) {
      const receipt = this.#back.handIn();
      if (chance(0.5)) await receipt;
    }
  }

  #schema() {
    const { chance, pick } = this.#dice;
    const validate = (value: unknown) => {
      this.#actInside();
      const kind = pick(10);
      if (kind === 0) throw new Error('A fault of the schema');
      if (kind === 1) return { issues: [{ message: 'No' }] };
      if (kind === 2 && this.#traits.hangs) return new Promise<never>(() => {});
      if (kind < 6) return { value };
      return this.#clock.sleep(pick(5)).then(() => {
        if (chance(0.02)) throw new Error('A late fault of the schema');
        return { value };
      });
    };
    return { '~standard': { version: 1 as const, vendor: 'test', validate } };
  }
}

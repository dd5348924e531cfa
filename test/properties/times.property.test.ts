/** Orders with `notBefore` and `expiresAt`, over restarts, pauses, cancellations and steps of the machine's clock. */
import fc from 'fast-check';
import { OrderProcessor, type OrderRecord } from 'order-processor';
import { it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import type { VirtualClock } from '../kit/virtual-clock.ts';

const inOne = (most: number) => fc.integer({ min: 0, max: most });

const order = fc.record({
  userId: fc.constantFrom('u', 'v', 'w'),
  isAwaited: fc.boolean(),
  notBeforeIn: fc.option(fc.integer({ min: -20, max: 300 }), { nil: undefined }),
  expiresIn: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
});

const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('order' as const), order }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: inOne(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('await' as const), which: inOne(40) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), downMs: inOne(200) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), downMs: inOne(200) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('set the clock' as const),
      byMs: fc.integer({ min: -150, max: 150 }),
    }),
  },
);

const scenario = fc.record({
  isKept: fc.boolean(),
  stepMs: fc.constantFrom(0, 0, 5, 30),
  capacity: fc.constantFrom(3, 1_000),
  storageMs: fc.constantFrom(0, 0, 3, 20),
  actions: fc.array(fc.tuple(inOne(60), action), { minLength: 1, maxLength: 30 }),
});

type Plan = typeof scenario extends fc.Arbitrary<infer T> ? T : never;
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

interface Times {
  readonly notBefore: number | undefined;
  readonly expiresAt: number | undefined;
}

/** Plays one plan. */
class Play {
  readonly wrong: string[] = [];
  readonly #plan: Plan;
  readonly #clock: VirtualClock;
  readonly #times = new Map<string, Times>();
  /** Ids that a caller knows to be accepted. */
  readonly #accepted = new Set<string>();
  readonly #running = new Set<string>();
  readonly #begun = new Map<string, number[]>();
  readonly #dead: OrderProcessor[] = [];
  #storage: KeptStorage | undefined;
  #processor: OrderProcessor;
  /** The step of the machine's clock. */
  #shift = 0;
  #life = 0;

  constructor(plan: Plan, clock: VirtualClock) {
    this.#plan = plan;
    this.#clock = clock;
    const { now } = Date;
    Date.now = () => now() + this.#shift;
    this.#processor = this.#start();
  }

  async run(): Promise<string[]> {
    for (const [ms, each] of this.#plan.actions) {
      await this.#clock.advance(ms);
      await this.#do(each);
    }
    this.#processor.resume();
    // Longer than a step of the clock goes unnoticed.
    await this.#clock.advance(25_000);
    await this.#judge();
    // What a killed process would do no more, and its timers.
    for (const dead of this.#dead) await this.#during(10_000, dead.shutdown({ timeoutMs: 1 }));
    await this.#during(10_000, this.#processor.shutdown());
    return this.wrong;
  }

  #start(disk = this.#storage?.disk): OrderProcessor {
    this.#life += 1;
    const life = this.#life;
    this.#running.clear();
    const { isKept, stepMs, storageMs, capacity } = this.#plan;
    if (isKept) {
      this.#storage = new KeptStorage(disk);
      this.#storage.fate = () =>
        storageMs === 0 ? 'works' : this.#clock.sleep(storageMs).then(() => 'works' as const);
    }
    return new OrderProcessor({
      storage: this.#storage,
      capacity,
      steps: [
        {
          name: 'works',
          run: async (order) => {
            if (life !== this.#life) return;
            this.#begins(order);
            if (stepMs > 0) await this.#clock.sleep(stepMs);
            this.#running.delete(order.userId);
          },
        },
      ],
    });
  }

  async #do(action: Action): Promise<void> {
    const id = 'which' in action ? `o-${action.which}` : '';
    switch (action.do) {
      case 'order':
        return this.#handIn(action.order);
      case 'cancel':
        this.#processor.cancel(id).catch(() => {});
        return;
      case 'await':
        this.#processor.outcome(id).catch(() => {});
        return;
      case 'pause':
        return this.#processor.pause();
      case 'resume':
        return this.#processor.resume();
      case 'set the clock':
        this.#shift += action.byMs;
        return;
      default:
        if (this.#storage === undefined) return;
        if (action.do === 'kill') {
          this.#storage.cut();
          this.#dead.push(this.#processor);
        } else {
          await this.#during(10_000, this.#processor.shutdown({ timeoutMs: 10 }));
        }
        this.#clock.now += action.downMs;
        this.#processor = this.#start();
    }
  }

  #handIn({
    userId,
    isAwaited,
    notBeforeIn,
    expiresIn,
  }: Plan['actions'][0][1] extends never
    ? never
    : {
        readonly userId: string;
        readonly isAwaited: boolean;
        readonly notBeforeIn?: number | undefined;
        readonly expiresIn?: number | undefined;
      }): void {
    const id = `o-${this.#times.size}`;
    const notBefore = notBeforeIn === undefined ? undefined : Date.now() + notBeforeIn;
    const least = Math.max(Date.now(), notBefore ?? 0);
    const expiresAt = expiresIn === undefined ? undefined : least + expiresIn;
    this.#times.set(id, { notBefore, expiresAt });
    const handedIn = { id, userId, amount: 1, notBefore, expiresAt };
    const note = (): void => void this.#accepted.add(id);
    if (isAwaited) this.#processor.submit(handedIn).then(note, () => {});
    else this.#processor.enqueue(handedIn).then(note, () => {});
  }

  #begins({ id, userId }: { readonly id: string; readonly userId: string }): void {
    const { notBefore = 0, expiresAt = Number.POSITIVE_INFINITY } = this.#times.get(id) as Times;
    const now = Date.now();
    // The clock may be set back between the order's entry into its lane and its beginning.
    if (now < notBefore && this.#isShiftless)
      this.wrong.push(`${id} begins ${notBefore - now} ms early`);
    if (now >= expiresAt) this.wrong.push(`${id} begins ${now - expiresAt} ms after it expired`);
    if (this.#running.has(userId)) this.wrong.push(`invariant 1: ${id} begins beside another`);
    this.#running.add(userId);
    const begun = this.#begun.get(id) ?? [];
    this.#begun.set(id, [...begun, this.#life]);
  }

  get #isShiftless(): boolean {
    return this.#plan.actions.every(([, { do: what }]) => what !== 'set the clock');
  }

  async #judge(): Promise<void> {
    const balances = new Map<string, number>();
    for (const id of this.#accepted) {
      const record = await this.#recordOf(id);
      if (record?.settledAt === undefined) {
        this.wrong.push(`invariant 3: ${id} is ${record?.status ?? 'unknown'} at the end`);
      }
    }
    for (const id of this.#times.keys()) {
      const record = await this.#recordOf(id);
      const begun = this.#begun.get(id) ?? [];
      if (begun.length !== new Set(begun).size) this.wrong.push(`${id} ran twice in one process`);
      if (record === undefined) continue;
      if (record.status === 'completed') {
        balances.set(record.userId, (balances.get(record.userId) ?? 0) + 1);
        if (begun.length === 0) this.wrong.push(`${id} completed and never ran`);
      } else if (
        record.code === 'expired' &&
        record.startedAt === undefined &&
        begun.includes(this.#life)
      )
        this.wrong.push(`${id} expired, and ran`);
    }
    for (const [userId, balance] of balances) {
      const found = await this.#during(100, this.#processor.balance(userId));
      if (found !== balance) this.wrong.push(`invariant 3: balance ${found}, and not ${balance}`);
    }
    const { scheduled, unsettled } = this.#processor.stats();
    if (scheduled !== 0 || unsettled !== 0) {
      this.wrong.push(`${scheduled} are scheduled and ${unsettled} unsettled at the end`);
    }
  }

  #recordOf(id: string): Promise<OrderRecord | undefined> {
    return this.#during(100, this.#processor.order(id));
  }

  /** Lets time pass for an answer. */
  async #during<T>(ms: number, answer: Promise<T>): Promise<T> {
    await this.#clock.advance(ms);
    return answer;
  }
}

// More: `RUNS=20000 npx vitest run test/properties/times.property.test.ts`.
it('nothing begins early or after it expired, and nothing is lost, over random times and restarts', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 3_000 : 150, (plan, clock) =>
    new Play(plan, clock).run(),
  );
});

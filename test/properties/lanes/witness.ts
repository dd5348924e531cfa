import type {
  AcceptedOrder,
  MemoryStorage,
  OrderProcessor,
  OrderRecord,
  ShutdownSummary,
} from 'order-processor';
import type { Plan, Works } from './plan.ts';
import { Starts } from './starts.ts';

/** Sees what orders do, in one process after the other, and says what they must not do. */
export class Witness {
  readonly wrong: string[] = [];
  /** A call of the storage has failed: it may have done its work all the same. */
  isInDoubt = false;
  /** Outcomes that events have told, by id. */
  readonly told = new Map<string, string>();
  /** Ids of which `cancel` said that they are canceled. */
  readonly canceled = new Set<string>();
  /** By user: since when the lane is held by hand, until somebody asks for its release. */
  readonly frozen = new Map<string, number>();
  /** By user: the order that holds the lane, in this process, and since when. */
  readonly holders = new Map<string, { readonly id: string; readonly at: number }>();
  /** By process: orders in the order in which they began. */
  readonly begun: Set<string>[] = [new Set()];
  readonly #starts: Starts;
  readonly #accepted = new Set<string>();
  readonly #late = new Set<string>();
  /** By user: orders whose steps run, each as often as steps of it run. */
  readonly #running = new Map<string, string[]>();
  /** Steps that have finished, and those whose result is on disk, as `id:step`. */
  readonly #finished = new Set<string>();
  readonly #remembered = new Set<string>();

  constructor(rate: Plan['rate']) {
    this.#starts = new Starts(rate);
  }

  /**
   * The process has ended.
   *
   * @param disk - what the next one knows of it, if its storage keeps orders
   */
  end(disk: MemoryStorage | undefined): void {
    this.wrong.push(...this.#starts.end(disk));
  }

  /** Another process begins. */
  restart(): void {
    this.holders.clear();
    this.#running.clear();
    this.begun.push(new Set());
  }

  /** @param isAlive - whether the process of the processor is the present one */
  watch(processor: OrderProcessor<Works>, isAlive: () => boolean): void {
    processor.on('accepted', ({ id }) => isAlive() && this.#accept(id));
    processor.on('started', (record) => isAlive() && this.#begin(record));
    processor.on('completed', ({ orderId }) => isAlive() && this.#tell(orderId, 'completed'));
    for (const outcome of ['failed', 'canceled'] as const) {
      processor.on(outcome, ({ orderId = '', code }) => {
        if (isAlive() && code !== 'storage_failed') this.#tell(orderId, outcome);
      });
    }
    processor.on('held', ({ userId, orderId }) => {
      if (!isAlive() || orderId === undefined) return;
      this.holders.set(userId, { id: orderId, at: Date.now() });
      const [other] = this.#running.get(userId) ?? [];
      if (other !== undefined) this.#offend(`1: ${orderId} holds the lane in which ${other} runs`);
    });
    processor.on('released', ({ userId }) => isAlive() && this.holders.delete(userId));
    processor.on('stalled', () => {});
    processor.on('error', ({ code, message, cause }) => {
      const isExpected = code === 'storage_failed' ? this.isInDoubt : code !== 'internal';
      if (isAlive() && !isExpected) this.#offend(`8, 10: ${message}: ${cause}`);
    });
  }

  /** @param summary - `undefined` if the shutdown does not end */
  shutDown(summary: ShutdownSummary | undefined): void {
    if (summary === undefined) this.#offend('4: `shutdown` does not end');
    else if (!this.isInDoubt && (summary.timedOut || summary.unsettled.length > 0)) {
      this.#offend(`4, 9: \`shutdown\` ends late, and knows nothing of [${summary.unsettled}]`);
    }
  }

  /** A step begins; the returned function is called at its end. */
  runs(step: keyof Works, { id, userId, payload, notBefore }: AcceptedOrder<Works>): () => void {
    const holder = this.holders.get(userId);
    if (holder !== undefined) this.#offend(`1: ${id} runs while ${holder.id} holds the lane`);
    if (notBefore !== undefined && Date.now() < notBefore) this.#offend(`${id} is early`);
    if (this.canceled.has(id)) this.#offend(`3: ${id} runs, and was canceled`);
    if (this.#late.has(id)) this.#offend(`${id} runs after its \`expiresAt\``);
    if (!this.begun.at(-1)?.has(id)) this.#offend(`11: ${id} runs before \`started\``);
    const isAfterPay = step === 'cook' && !payload.pay.isSkipped;
    if (isAfterPay && this.#finished.has(`${id}:pay`)) this.#remembered.add(`${id}:pay`);
    if (this.#remembered.has(`${id}:${step}`)) this.#offend(`9: ${id} runs ${step} again`);
    const running = this.#running.get(userId) ?? [];
    this.#running.set(userId, running);
    const other = running.find((each) => each !== id);
    if (other !== undefined) this.#offend(`1: ${id} runs beside ${other}`);
    running.push(id);
    return () => void running.splice(running.indexOf(id), 1);
  }

  finished(step: keyof Works, id: string): void {
    this.#finished.add(`${id}:${step}`);
  }

  compensates(step: keyof Works, { id, userId }: AcceptedOrder<Works>): void {
    this.#finished.delete(`${id}:${step}`);
    this.#remembered.delete(`${id}:${step}`);
    const other = this.#running.get(userId)?.find((each) => each !== id);
    if (other !== undefined) this.#offend(`1: ${id} is compensated beside ${other}`);
  }

  #accept(id: string): void {
    if (this.#accepted.has(id) && !this.isInDoubt) this.#offend(`11: ${id} is accepted twice`);
    this.#accepted.add(id);
  }

  #begin({ id, userId, notBefore, expiresAt, startedAt = Date.now() }: OrderRecord<Works>): void {
    if (notBefore !== undefined && startedAt < notBefore) this.#offend(`${id} begins early`);
    const hasBegun = this.begun.some((ids) => ids.has(id));
    // Its turn had come in time, and then the storage was asked for its user's balance.
    if (!hasBegun && expiresAt !== undefined && startedAt >= expiresAt) this.#late.add(id);
    const holder = this.holders.get(userId);
    if (holder !== undefined && startedAt > holder.at) {
      this.#offend(`1: ${id} begins while ${holder.id} holds the lane`);
    }
    if (startedAt > (this.frozen.get(userId) ?? Number.POSITIVE_INFINITY)) {
      this.#offend(`1: ${id} begins in a held lane`);
    }
    this.begun.at(-1)?.add(id);
    this.#starts.begins(userId, startedAt);
  }

  #tell(id: string, outcome: string): void {
    const before = this.told.get(id) ?? outcome;
    if (before !== outcome) this.#offend(`3: ${id} was ${before}, and is ${outcome}`);
    this.told.set(id, outcome);
  }

  #offend(what: string): void {
    this.wrong.push(what);
  }
}

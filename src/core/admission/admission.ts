import type { Job } from '../lifecycle/job.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderRecord } from '../order/outcome.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { canceled, storageFailed } from '../order/processor-errors.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { Clock } from '../runtime/clock.ts';
import { StepScope } from '../runtime/step-scope.ts';
import type { Capacity, CapacitySettings } from './capacity.ts';
import { PayloadCheck, type StandardSchema } from './payload-schema.ts';
import { applyRules, type Rule } from './rules.ts';

/** The options of the processor that admission depends on. */
export interface AdmissionSettings extends CapacitySettings {
  readonly schema: StandardSchema | undefined;
  readonly rules: readonly Rule[];
}

/**
 * What an order that is not known goes through before anybody asks whether there is room for it: the
 * schema checks its payload, and the rules judge it. Whoever is refused is refused by a throw.
 *
 * Schema and rules are the host's code, which may shut the processor down, abort the order's signal or
 * submit orders, this one too: so all that is looked at again after them.
 */
export class Admission {
  /** False from the call of `shutdown` on; then what accepted orders hand in themselves is still accepted. */
  isOpen = true;
  /** From the deadline of `shutdown` on: nothing is accepted. */
  #isShut = false;
  /** Why the storage can keep no orders now. */
  failure: OrderError | undefined = undefined;
  readonly #settings: AdmissionSettings;
  readonly #known: KnownOrders;
  readonly #capacity: Capacity;
  readonly #clock: Clock;
  readonly #payloadCheck: PayloadCheck | undefined;
  /** Without, neither `check` nor `judge` has anything to do. */
  readonly hasHostCode: boolean;

  /** Whose steps may hand in orders while the processor shuts down. */
  readonly #steps: object;

  constructor(
    settings: AdmissionSettings,
    known: KnownOrders,
    capacity: Capacity,
    clock: Clock,
    steps: object,
  ) {
    this.#known = known;
    this.#clock = clock;
    this.#steps = steps;
    this.#settings = settings;
    this.#capacity = capacity;
    this.#payloadCheck = settings.schema && new PayloadCheck(settings.schema);
    this.hasHostCode = settings.schema !== undefined || settings.rules.length > 0;
  }

  /** How many orders wait for the schema. */
  get waiting(): number {
    return this.#payloadCheck?.size ?? 0;
  }

  /** The order as the schema has it; a promise if the schema takes its time. */
  check(order: ParsedOrder, signal: AbortSignal | undefined): ParsedOrder | Promise<ParsedOrder> {
    this.checkOpen(order);
    if (this.#payloadCheck === undefined) return order;
    return this.#payloadCheck.check(order, signal, () => {
      this.#checkRoom(order);
      return StepScope.around(this.#steps);
    });
  }

  #checkRoom(order: ParsedOrder): void {
    const { capacity, overflow } = this.#settings;
    if (overflow === 'wait' || this.waiting < capacity) return;
    const message = `The schema is checking ${capacity} orders, as many as \`capacity\` allows`;
    throw this.#capacity.queueFull(order, message);
  }

  /** What stands for the order by now, or else the order as the rules have it. */
  judge(order: ParsedOrder, signal: AbortSignal | undefined): Job | OrderRecord | ParsedOrder {
    this.checkOpen(order);
    const known = this.known(order);
    const ruled = known === undefined ? applyRules(this.#settings.rules, order) : order;
    this.checkOpen(order);
    if (signal?.aborted) throw canceled(ruled, signal);
    return known ?? this.known(order) ?? ruled;
  }

  known(order: ParsedOrder, stored?: StoredOrder): Job | OrderRecord | undefined {
    const known = this.#known.findStored(order, stored);
    if (known.status === 'unknown') return undefined;
    return known.status === 'settled' ? known.record : known.job;
  }

  checkOpen(order: ParsedOrder): void {
    if (!this.isOpen && (this.#isShut || StepScope.around(this.#steps) === undefined)) {
      throw new OrderError('shut_down', 'The processor accepts no more orders', order.facts);
    }
    if (this.failure === undefined) return;
    throw storageFailed('The storage can keep no orders now', this.failure, order);
  }

  /**
   * The processor shuts down: orders that wait to be accepted are refused, but those that a running step hands in.
   * Resolves when all have been.
   */
  close(): Promise<void> {
    this.isOpen = false;
    return this.#dismiss((step) => !this.#isShut && step?.isOpen === true);
  }

  /** The time of the shutdown is up: the orders that steps hand in are refused, too. */
  shut(): Promise<void> {
    this.#isShut = true;
    return this.#dismiss(() => false);
  }

  async #dismiss(isKept: (step: StepScope | undefined) => boolean): Promise<void> {
    const dismissed = this.#capacity.dismissWaiting(isKept);
    await this.#payloadCheck?.dismiss(() => this.#clock.spentTurn(), isKept);
    await dismissed;
  }
}

import type { Session, Statement, Value } from '../sessions/session.ts';
import { balancesWrite, holdsWrite } from './import-balances.ts';
import type { CheckedImportOptions, PostgresImport } from './import-options.ts';
import { OrdersPage } from './import-orders.ts';
import type { ImportSource, SourcePage } from './import-source.ts';
import { type ImportState, progressOf, stateText } from './import-state.ts';

/** What a page adds: to the counts, and to the rest of the state. */
interface Step {
  readonly adds: Partial<PostgresImport>;
  readonly settledAt?: number;
  readonly write: (state: string) => readonly [Statement, Value[]];
}

/** What comes behind each stage. */
const following = {
  settled: 'unsettled',
  unsettled: 'balances',
  balances: 'holds',
  holds: 'check',
} as const;

type Stage = keyof typeof following;

/** Takes over page by page what is left. The next page is read while one is written. */
export class ImportRun {
  readonly #source: ImportSource;
  readonly #session: Session;
  readonly #partitions: number;
  readonly #options: Pick<CheckedImportOptions, 'onProgress' | 'signal'>;
  #state: ImportState;

  constructor(
    source: ImportSource,
    session: Session,
    partitions: number,
    options: Pick<CheckedImportOptions, 'onProgress' | 'signal'>,
    state: ImportState,
  ) {
    this.#source = source;
    this.#session = session;
    this.#partitions = partitions;
    this.#options = options;
    this.#state = state;
  }

  /** How far it is. */
  get state(): ImportState {
    return this.#state;
  }

  /** Ends when all is written, and not checked. */
  async run(): Promise<void> {
    const source = this.#source;
    const { mark } = this.#state;
    const orders = (page: ConstructorParameters<typeof OrdersPage>[0]) => this.#orders(page);
    await this.#take('settled', (place: number | undefined) => source.settled(mark, place), orders);
    await this.#take(
      'unsettled',
      (place: number | undefined) => source.others(mark, place),
      orders,
    );
    await this.#take(
      'balances',
      (place: string | undefined) => source.balances(place),
      (page) => ({
        adds: { balances: page.length },
        write: (state) => balancesWrite(page, mark.forgotten, state),
      }),
    );
    await this.#take(
      'holds',
      (place: string | undefined) => source.holds(place),
      (page) => ({
        adds: { holds: page.length },
        write: (state) => holdsWrite(page, this.#partitions, state),
      }),
    );
    await this.#options.onProgress?.(progressOf(this.#state));
  }

  #orders(orders: ConstructorParameters<typeof OrdersPage>[0]): Step {
    const page = new OrdersPage(orders, this.#state, this.#partitions, this.#source.isJson);
    return {
      adds: page.counts,
      settledAt: page.settledAt,
      write: (state) => page.write(state),
    };
  }

  async #take<Item, Place extends number | string>(
    stage: Stage,
    read: (place: Place | undefined) => Promise<SourcePage<Item, Place>>,
    stepOf: (items: readonly Item[]) => Step,
  ): Promise<void> {
    if (this.#state.stage !== stage) return;
    let reading = read(this.#state.place as Place | undefined);
    for (let isEnd = false; !isEnd; ) {
      const { items, next } = await reading;
      this.#options.signal?.throwIfAborted();
      isEnd = next === undefined;
      if (next !== undefined) {
        reading = read(next);
        // It is thrown when its turn has come.
        reading.catch(() => {});
      }
      await this.#write(stepOf(items), isEnd ? following[stage] : stage, next);
      if (!isEnd) await this.#options.onProgress?.(progressOf(this.#state));
    }
  }

  async #write(
    { adds, settledAt, write }: Step,
    stage: ImportState['stage'],
    place: number | string | undefined,
  ): Promise<void> {
    const { counts } = this.#state;
    const names = Object.keys(counts) as (keyof PostgresImport)[];
    const summed = names.map((name) => [name, counts[name] + (adds[name] ?? 0)]);
    const state: ImportState = {
      ...this.#state,
      ...{ stage, place, counts: Object.fromEntries(summed) },
      ...(settledAt !== undefined && { settledAt }),
    };
    await this.#session.query(...write(stateText(state)));
    this.#state = state;
  }
}

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/** Whose steps they are, and how many of them run. */
interface Running {
  readonly running: number;
}

const current = new AsyncLocalStorage<StepScope | undefined>();

/** Without any scope there is nothing to leave, which every event of every order asks. */
let isUsed = false;

const options = { requireManualDestroy: true } as const;

/**
 * The async context in which one order was handed in, for its steps and compensations; tells what is called from inside
 * them, in whatever they have begun. Timers and sockets that are made inside a step keep this for as long as they
 * live, so it keeps nothing itself in the end.
 */
export class StepScope extends AsyncResource {
  readonly userId: string;
  #owner: object | undefined;
  #order: Running | undefined = undefined;
  /** The one that the order was handed in from. */
  #outer: StepScope | undefined = undefined;

  /**
   * To be called where the order is handed in.
   *
   * @param owner - what all scopes of one processor have in common
   */
  constructor(owner: object, userId: string) {
    super('Order', options);
    isUsed = true;
    this.userId = userId;
    this.#owner = owner;
  }

  /** The scope of the step in which this is called, if it is one of this owner's and runs. */
  static of(owner: object): StepScope | undefined {
    const scope = current.getStore();
    return scope !== undefined && scope.#owner === owner && scope.isOpen ? scope : undefined;
  }

  /** The same, or of the step behind the order of another processor's step. */
  static around(owner: object): StepScope | undefined {
    let scope = current.getStore();
    while (scope !== undefined && !(scope.#owner === owner && scope.isOpen)) scope = scope.#outer;
    return scope;
  }

  /** Calls something that belongs to no step, though it may be a step that has led to it. */
  static outside<T>(call: (value: T) => void, value: T): void {
    // One that has ended is like none; entering another context costs as much as all the rest of an order.
    if (isUsed && current.getStore()?.hasEnded === false) current.run(undefined, call, value);
    else call(value);
  }

  /** Whether a step or compensation of the order runs. */
  get isOpen(): boolean {
    return this.#order !== undefined && this.#order.running > 0;
  }

  get hasEnded(): boolean {
    return this.#owner === undefined;
  }

  /** The order's steps begin. */
  begin(order: Running): void {
    this.#order = order;
  }

  /** Runs something inside it. */
  enter<T>(work: (value: T) => void, value: T): void {
    this.runInAsyncScope(StepScope.#run<T>, undefined, this, work, value);
  }

  /** To be called in the async context of the order's caller. */
  static #run<T>(scope: StepScope, work: (value: T) => void, value: T): void {
    const outer = current.getStore();
    scope.#outer = outer?.isOpen ? outer : undefined;
    current.run(scope, work, value);
  }

  /** None of the order's functions runs, and none will. */
  end(): void {
    if (this.#owner === undefined) return;
    this.#owner = undefined;
    this.#order = undefined;
    this.#outer = undefined;
    this.emitDestroy();
  }
}

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';

/** The order whose steps run: how many of its functions run. */
interface Running {
  readonly running: number;
}

const current = new AsyncLocalStorage<StepScope | undefined>();

/** False until the first scope is made: every event of every order checks whether there is a scope to leave. */
let isUsed = false;

const options = { requireManualDestroy: true } as const;

/**
 * The async context in which one order was handed in, for its steps and compensations. It recognizes calls from inside
 * them, and from everything that they have begun. Timers and sockets that are made inside a step keep this in memory,
 * so it drops its own references when it ends.
 */
export class StepScope extends AsyncResource {
  readonly userId: string;
  #owner: object | undefined;
  #order: Running | undefined = undefined;
  /** The scope from which the order was handed in. */
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

  /** The scope of the step that calls this, if its owner is this one and it runs. */
  static of(owner: object): StepScope | undefined {
    const scope = current.getStore();
    return scope !== undefined && scope.#owner === owner && scope.isOpen ? scope : undefined;
  }

  /** The same, also through steps of other processors: the step whose order led to them. */
  static around(owner: object): StepScope | undefined {
    let scope = current.getStore();
    while (scope !== undefined && !(scope.#owner === owner && scope.isOpen)) scope = scope.#outer;
    return scope;
  }

  /** Calls a function that belongs to no step, even if a step has led to the call. */
  static outside<T>(call: (value: T) => void, value: T): void {
    // A scope that has ended counts as none: entering another context costs as much as the rest of an order.
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

  /**
   * The same order's scope in a context within this one, which ends.
   *
   * @param around - calls the function in that context
   */
  renew(around: (enter: () => void) => void): StepScope {
    let renewed: StepScope = this;
    this.runInAsyncScope(() => {
      // Node.js 22 keeps contexts in async resources: once entered, this one is in its own.
      if (current.getStore() === this) current.enterWith(this.#outer);
      around(() => {
        renewed = new StepScope(this.#owner as object, this.userId);
        renewed.#order = this.#order;
      });
    });
    if (renewed !== this) this.end();
    return renewed;
  }

  /** Runs something inside it. */
  enter<T>(work: (value: T) => void, value: T): void {
    this.runInAsyncScope(StepScope.#run<T>, undefined, this, work, value);
  }

  /** To be called in the async context of the order's caller. */
  static #run<T>(scope: StepScope, work: (value: T) => void, value: T): void {
    const outer = current.getStore();
    if (outer !== scope) {
      scope.#outer = outer?.isOpen ? outer : undefined;
      // Not `run`: leaving the scope as an async resource restores all, and to restore this one as well would copy it.
      current.enterWith(scope);
    }
    work(value);
  }

  /** None of the order's functions runs or will run. */
  end(): void {
    if (this.#owner === undefined) return;
    this.#owner = undefined;
    this.#order = undefined;
    this.#outer = undefined;
    this.emitDestroy();
  }
}

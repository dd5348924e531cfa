import { AsyncLocalStorage } from 'node:async_hooks';

/** Whose steps they are, and how many of them run. */
interface Running {
  readonly running: number;
}

const current = new AsyncLocalStorage<StepScope | undefined>();

/** Without any scope there is nothing to leave, which every event of every order asks. */
let isUsed = false;

/**
 * Tells what is called from inside the steps and compensations of one order, in whatever they have begun. Timers
 * and sockets that are made inside a step keep this for as long as they live, so it keeps nothing itself in the end.
 */
export class StepScope {
  readonly userId: string;
  #owner: object | undefined;
  #order: Running | undefined;
  /** The one that the order was handed in from. */
  #outer: StepScope | undefined = undefined;

  /** @param owner - what all scopes of one processor have in common */
  constructor(owner: object, userId: string, order: Running) {
    isUsed = true;
    this.userId = userId;
    this.#owner = owner;
    this.#order = order;
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
    if (isUsed && current.getStore() !== undefined) current.run(undefined, call, value);
    else call(value);
  }

  /** Whether a step or compensation of the order runs. */
  get isOpen(): boolean {
    return this.#order !== undefined && this.#order.running > 0;
  }

  /** Runs something inside it; to be called where the order was handed in. */
  run<T>(work: () => T): T {
    const outer = current.getStore();
    this.#outer = outer?.isOpen ? outer : undefined;
    return current.run(this, work);
  }

  /** None of the order's functions runs, and none will. */
  end(): void {
    this.#owner = undefined;
    this.#order = undefined;
    this.#outer = undefined;
  }
}

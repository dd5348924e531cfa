import { OrderError, type OrderIssue } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { canceled } from '../order/processor-errors.ts';
import { onAbort } from '../runtime/abort.ts';
import { isThenable } from '../runtime/awaitable.ts';
import { checkMethods, wrong } from '../runtime/checks.ts';
import { issueOf, mostIssues, placeOf } from '../runtime/json/issues.ts';
import type { StepScope } from '../runtime/step-scope.ts';
import { causeOf, show, wentWrong } from '../runtime/thrown.ts';

/**
 * A validator after {@link https://standardschema.dev | Standard Schema}, version 1: a schema of Zod,
 * Valibot, ArkType and others is one as it is.
 *
 * @typeParam Input - what it takes
 * @typeParam Output - what it makes of that
 *
 * @category Rules and payloads
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What makes a schema a standard one. */
  readonly '~standard': {
    /** The version of the specification. */
    readonly version: 1;
    /** Whose schema it is. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
    /** For the compiler alone. */
    readonly types?: StandardSchemaTypes<Input, Output> | undefined;
  };
}

/**
 * The types of a {@link StandardSchema}; no value has them.
 *
 * @typeParam Input - what it takes
 * @typeParam Output - what it makes of that
 *
 * @category Rules and payloads
 */
export interface StandardSchemaTypes<Input = unknown, Output = Input> {
  /** What it takes. */
  readonly input: Input;
  /** What it makes of that. */
  readonly output: Output;
}

/**
 * The result of a {@link StandardSchema}: the value that it made, or what is wrong.
 *
 * @category Rules and payloads
 */
export type StandardSchemaResult<Output> =
  | {
      /** What the schema made of the value. */
      readonly value: Output;
      /** Nothing is wrong. */
      readonly issues?: undefined;
    }
  | {
      /** What is wrong. */
      readonly issues: readonly StandardSchemaIssue[];
    };

/**
 * One thing that is wrong with a value.
 *
 * @category Rules and payloads
 */
export interface StandardSchemaIssue {
  /** What, for people. */
  readonly message: string;
  /** Where; the value itself if left out. */
  readonly path?: readonly (PropertyKey | StandardSchemaPathSegment)[] | undefined;
}

/**
 * A key on the way to what is wrong, as an object.
 *
 * @category Rules and payloads
 */
export interface StandardSchemaPathSegment {
  /** The key. */
  readonly key: PropertyKey;
}

/** What the places of issues begin with. */
const root = 'payload';

/** How many issues stand in the message of a refusal at most; `issues` has more of them. */
const shownIssues = 10;

/** Checks the payloads of orders before the orders are accepted. */
export class PayloadCheck {
  readonly #standard: StandardSchema['~standard'];
  /** By user: the end of the last asynchronous check. */
  readonly #tails = new Map<string, Promise<void>>();
  /** Ends each check that is under way, with the step in which its order was handed in. */
  readonly #underWay = new Map<() => void, StepScope | undefined>();

  constructor(schema: StandardSchema) {
    this.#standard = schema['~standard'];
  }

  /**
   * Checks the payload of an order, and gives the order the payload that the schema made of it.
   *
   * @param checkRoom - throws if no more orders may be checked at once; returns the step in which the order is handed
   *   in @returns a promise if the schema is asynchronous for this order or for an earlier one of the same user: no
   *   order overtakes another @throws OrderError - the refusal; the promise may reject with it too
   */
  check(
    order: ParsedOrder,
    signal: AbortSignal | undefined,
    checkRoom: () => StepScope | undefined,
  ): Promise<void> | undefined {
    let result: unknown;
    let isLate: boolean;
    try {
      result = this.#standard.validate(order.payload);
      isLate = isThenable(result);
    } catch (cause) {
      throw schemaThrew(order, cause);
    }
    const before = this.#tails.size === 0 ? undefined : this.#tails.get(order.userId);
    if (before === undefined && !isLate) return read(order, result);
    const late = new Promise((resolve) => resolve(result));
    // It may reject even if there is no room.
    late.catch(ignore);
    const step = checkRoom();
    const checked = this.#later(order, late, before, signal, step);
    // A check whose signal aborts ends before the earlier checks that it waits for.
    const tail: Promise<void> = Promise.allSettled([checked, before]).then(() => {
      if (this.#tails.get(order.userId) === tail) this.#tails.delete(order.userId);
    });
    this.#tails.set(order.userId, tail);
    return checked;
  }

  /** How many orders are being checked. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Refuses the orders whose check is under way, except orders of certain steps: the processor shuts down.
   *
   * @param pause - a promise where the event loop should turn first
   */
  async dismiss(
    pause: () => Promise<void> | undefined,
    isKept: (step: StepScope | undefined) => boolean,
  ): Promise<void> {
    for (const [giveUp, step] of this.#underWay) {
      if (isKept(step)) continue;
      giveUp();
      const paused = pause();
      if (paused !== undefined) await paused;
    }
  }

  #later(
    order: ParsedOrder,
    late: Promise<unknown>,
    before: Promise<void> | undefined,
    signal: AbortSignal | undefined,
    step: StepScope | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: OrderError): void => {
        end();
        reject(error);
      };
      const dismissed = (): void => {
        const { id: orderId, userId } = order;
        const message = 'The processor shut down before the payload was checked';
        refuse(new OrderError('shut_down', message, { orderId, userId }));
      };
      const takeBack = signal && onAbort(signal, () => refuse(canceled(order, signal)));
      const end = (): void => {
        takeBack?.();
        this.#underWay.delete(dismissed);
      };
      this.#underWay.set(dismissed, step);
      // The schema itself may have done so.
      if (signal?.aborted) refuse(canceled(order, signal));
      const answered = late.then(
        (value) => () => read(order, value),
        (cause) => () => {
          throw schemaThrew(order, cause);
        },
      );
      Promise.all([answered, before])
        .then(([answer]) => {
          end();
          answer();
          resolve();
        })
        .catch(reject);
    });
  }
}

const ignore = (): void => {};

/** @throws TypeError for something that is no standard schema */
export function checkSchema(schema: unknown): asserts schema is StandardSchema {
  const isSchema = (typeof schema === 'object' && schema !== null) || typeof schema === 'function';
  if (!isSchema) throw wrong(TypeError, 'schema', 'a Standard Schema', schema);
  const standard = (schema as { '~standard'?: { version?: unknown } })['~standard'];
  if (standard?.version !== 1) throw wrong(TypeError, 'schema', 'a Standard Schema', schema);
  checkMethods("schema['~standard']", standard, ['validate']);
}

function schemaThrew({ id: orderId, userId }: ParsedOrder, thrown: unknown): OrderError {
  const cause = causeOf(thrown, 'The schema');
  return new OrderError('internal', wentWrong, { orderId, userId, cause });
}

function read(order: ParsedOrder, result: unknown): undefined {
  const { id, userId } = order;
  let issues: readonly OrderIssue[] | undefined;
  let count = 0;
  let value: unknown;
  try {
    if (typeof result !== 'object' || result === null) {
      throw wrong(TypeError, 'result', 'an object with `value` or a list of `issues`', result);
    }
    const given = result as { value?: unknown; issues?: readonly StandardSchemaIssue[] };
    if (given.issues === undefined ? !('value' in given) : !Array.isArray(given.issues)) {
      throw wrong(TypeError, 'result', 'an object with `value` or a list of `issues`', result);
    }
    count = given.issues?.length ?? 0;
    issues = given.issues?.slice(0, mostIssues).map(toIssue);
    value = given.value;
  } catch (cause) {
    throw schemaThrew(order, cause);
  }
  if (issues === undefined) {
    order.input = order.payload;
    order.payload = value;
    return;
  }
  const listed = issues
    .slice(0, shownIssues)
    .map(({ path, message }) => (path === root ? message : `${path}: ${message}`));
  if (count > shownIssues) listed.push(`and ${count - shownIssues} more`);
  const message = `The payload does not fit the schema: ${listed.join('; ') || 'it names no issue'}`;
  throw new OrderError('invalid_order', message, { orderId: id, userId, issues });
}

function toIssue({ message, path = [] }: StandardSchemaIssue): OrderIssue {
  const place = placeOf(keysOf(path), root);
  return issueOf(place, typeof message === 'string' ? message : show(message));
}

function* keysOf(path: NonNullable<StandardSchemaIssue['path']>): Generator<PropertyKey> {
  for (const part of path) yield typeof part === 'object' && part !== null ? part.key : part;
}

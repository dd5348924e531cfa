import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import type { OrderMessage, Step, StepMessage, TracingMessages } from 'order-processor';

type Name = keyof TracingMessages;

export type Published = TracingMessages[Name];

const names: readonly Name[] = [
  'order-processor:submit',
  'order-processor:order',
  'order-processor:step',
  'order-processor:settle',
];

const events = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'] as const;

/** One operation: its message and the events that were published of it, in their order. */
export interface Operation<N extends Name = Name> {
  readonly name: N;
  readonly message: TracingMessages[N];
  readonly events: string[];
}

/**
 * Subscribes to all channels, binds a store to the contexts of orders and of steps, and notes what is not as it is
 * documented.
 */
export class TraceWitness {
  readonly operations: Operation[] = [];
  readonly wrong: string[] = [];
  /** What is bound where a function runs. */
  readonly order = new AsyncLocalStorage<OrderMessage>();
  readonly step = new AsyncLocalStorage<StepMessage>();
  readonly #byMessage = new Map<Published, Operation>();
  readonly #unsubscribe: (() => void)[] = [];

  /** @param meddle - what a subscriber does at each event */
  constructor(meddle: (event: string, operation: Operation) => void = () => {}) {
    for (const name of names) {
      for (const event of events) {
        const channel = tracingChannel<unknown, Published>(name)[event];
        const subscriber = (message: unknown): void => {
          const operation = this.#note(name, event, message as Published);
          if (operation !== undefined) meddle(event, operation);
        };
        channel.subscribe(subscriber);
        this.#unsubscribe.push(() => channel.unsubscribe(subscriber));
      }
    }
    const orders = tracingChannel<OrderMessage, OrderMessage>('order-processor:order').start;
    const steps = tracingChannel<StepMessage, StepMessage>('order-processor:step').start;
    orders.bindStore(this.order);
    steps.bindStore(this.step);
    this.#unsubscribe.push(
      () => orders.unbindStore(this.order),
      () => steps.unbindStore(this.step),
    );
  }

  of<N extends Name>(name: N): Operation<N>[] {
    return this.operations.filter((each): each is Operation<N> => each.name === name);
  }

  /** Steps that look whether they run in their own contexts, after each wait too. */
  watch<T>(steps: readonly Step<T>[]): Step<T>[] {
    return steps.map((step) => ({
      ...step,
      run: (order, context) =>
        this.#look(order.id, step.name, false, context.attempt, () => step.run(order, context)),
      ...(step.compensate && {
        compensate: (order, context) =>
          this.#look(order.id, step.name, true, context.attempt, () =>
            step.compensate?.(order, context),
          ),
      }),
    }));
  }

  /** All that is wrong when everything has ended. */
  verdict(): string[] {
    for (const { name, events: seen, message } of this.operations) {
      const wanted =
        'error' in message
          ? 'start end error asyncStart asyncEnd'
          : 'start end asyncStart asyncEnd';
      if (seen.join(' ') !== wanted) this.wrong.push(`${name} ${idOf(message)}: ${seen.join(' ')}`);
    }
    return this.wrong;
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #note(name: Name, event: string, message: Published): Operation | undefined {
    if (event === 'start') {
      const operation = { name, message, events: [event] };
      if (this.#byMessage.has(message)) this.wrong.push(`${name} starts twice`);
      this.#byMessage.set(message, operation);
      this.operations.push(operation);
      return operation;
    }
    const operation = this.#byMessage.get(message);
    operation?.events.push(event);
    return operation;
  }

  #look<R>(id: string, step: string, isCompensation: boolean, attempt: number, run: () => R): R {
    const look = (): void => {
      const message = this.step.getStore();
      const isOwn =
        message?.order.id === id &&
        message.step === step &&
        message.isCompensation === isCompensation &&
        message.attempt === attempt;
      if (!isOwn) this.wrong.push(`${id} ${step} runs in ${idOf(message)} ${message?.step}`);
      const processing = this.order.getStore();
      if (processing?.order.id !== id) this.wrong.push(`${id} runs in ${processing?.order.id}`);
      if (message?.processing !== processing) this.wrong.push(`${id} ${step} has another parent`);
    };
    look();
    const result = run();
    if (!(result instanceof Promise)) return result;
    return result.finally(look) as R;
  }
}

function idOf(message: Published | undefined): string | undefined {
  if (message === undefined) return undefined;
  return 'orderIds' in message ? message.orderIds.join() : message.order?.id;
}

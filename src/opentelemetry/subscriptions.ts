import { tracingChannel } from 'node:diagnostics_channel';
import type { Context } from '@opentelemetry/api';
import type { TracingMessages } from '../core/tracing/messages.ts';
import { ContextStore } from './context-store.ts';
import type { Operations } from './operations.ts';
import { report } from './report.ts';

type Name = keyof TracingMessages;

type Began<Message> = (operations: Operations, message: Message) => Context | undefined;
type Ended<Message> = (operations: Operations, message: Message) => void;

/** The channels are those of the process: what is instrumented is found by the processor of a message. */
const instrumented = new WeakMap<object, Operations>();
let count = 0;
let unsubscribe: () => void = () => {};

/** @returns whether the processor was not instrumented before */
export function add(processor: object, operations: Operations): boolean {
  if (instrumented.has(processor)) return false;
  instrumented.set(processor, operations);
  count += 1;
  if (count === 1) unsubscribe = subscribe();
  return true;
}

export function remove(processor: object): void {
  if (!instrumented.delete(processor)) return;
  count -= 1;
  if (count === 0) unsubscribe();
}

function subscribe(): () => void {
  const all = [
    // A call that hands an order in runs in the context of its caller: nothing is bound, which costs less.
    listen(
      'order-processor:submit',
      (operations, message) => operations.submitBegan(message),
      (operations, message) => operations.submitEnded(message),
      false,
    ),
    listen(
      'order-processor:order',
      (operations, message) => operations.orderBegan(message),
      (operations, message) => operations.orderEnded(message),
    ),
    listen(
      'order-processor:step',
      (operations, message) => operations.stepBegan(message),
      (operations, message) => operations.stepEnded(message),
    ),
    listen(
      'order-processor:settle',
      (operations, message) => operations.settleBegan(message),
      (operations, message) => operations.settleEnded(message),
    ),
  ];
  return () => {
    for (const each of all) each();
  };
}

function listen<N extends Name>(
  name: N,
  began: Began<TracingMessages[N]>,
  ended: Ended<TracingMessages[N]>,
  isBound = true,
): () => void {
  type Message = TracingMessages[N];
  const { start, asyncEnd } = tracingChannel<Context | undefined, Message>(name);
  const store = new ContextStore();
  const atStart = (message: unknown): Context | undefined => guarded(began, message as Message);
  const atEnd = (message: unknown): void => {
    guarded(ended, message as Message);
  };
  if (isBound) start.bindStore(store, atStart);
  else start.subscribe(atStart);
  asyncEnd.subscribe(atEnd);
  return () => {
    if (isBound) start.unbindStore(store);
    else start.unsubscribe(atStart);
    asyncEnd.unsubscribe(atEnd);
  };
}

/** A tracer or a meter that throws ends no process, and changes nothing for the order. */
function guarded<M extends TracingMessages[Name], Result>(
  call: (operations: Operations, message: M) => Result,
  message: M,
): Result | undefined {
  try {
    const operations = instrumented.get(message.processor);
    return operations && call(operations, message);
  } catch (error) {
    report(error);
    return undefined;
  }
}

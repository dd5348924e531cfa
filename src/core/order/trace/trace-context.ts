/**
 * The trace in which an order is handed in, in the format of
 * [W3C Trace Context](https://www.w3.org/TR/trace-context/). It travels with the order: the storage keeps it, so that a
 * restart or another processor continues the trace.
 *
 * @example
 * ```ts
 * import { OrderProcessor, type TraceContext } from 'order-processor';
 *
 * const traceContext: TraceContext = {
 *   traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
 *   tracestate: 'vendor=value',
 * };
 *
 * await using processor = new OrderProcessor();
 * await processor.submit({ userId: 'ann', amount: 500, traceContext });
 * ```
 *
 * @category Tracing
 */
export interface TraceContext {
  /** 55 characters: version, trace id, id of the parent span, and flags. */
  readonly traceparent: string;
  /** What vendors add: at most 512 characters of printable ASCII. None by default. */
  readonly tracestate?: string | undefined;
}

/** As in the text of a context: what is behind it, after a space, is the state. */
const parentLength = 55;

const parentForm = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

const stateForm = /^[\x20-\x7e]{1,512}$/;

/**
 * A context as one text, in which it is kept: an object for each order would cost more. What is invalid is dropped, as the
 * standard says: a trace never makes an order fail. Reading the value may throw.
 *
 * @returns at most 568 characters; `undefined` without a valid `traceparent`
 */
export function readTraceText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { traceparent, tracestate } = value as Record<keyof TraceContext, unknown>;
  if (typeof traceparent !== 'string' || !parentForm.test(traceparent)) return undefined;
  const isState = typeof tracestate === 'string' && stateForm.test(tracestate);
  return isState ? `${traceparent} ${tracestate}` : traceparent;
}

/** The same of what a subscriber or a host's storage gives, which may throw when it is read. */
export function traceTextOf(value: unknown): string | undefined {
  try {
    return readTraceText(value);
  } catch {
    return undefined;
  }
}

/** The context that was read as this text. */
export function traceContextOf(text: string): TraceContext {
  if (text.length === parentLength) return { traceparent: text };
  return { traceparent: text.slice(0, parentLength), tracestate: text.slice(parentLength + 1) };
}

/** A checked copy. */
export function readTraceContext(value: unknown): TraceContext | undefined {
  const text = readTraceText(value);
  return text === undefined ? undefined : traceContextOf(text);
}

/** The text of a context that was checked before, for storages. */
export function traceText(context: TraceContext | undefined): string | null {
  if (context === undefined) return null;
  const { traceparent, tracestate } = context;
  return tracestate === undefined ? traceparent : `${traceparent} ${tracestate}`;
}

/** The field of an order that was kept with such a text; nothing for any other. */
export function tracedBy(text: string | null | undefined): { traceContext?: TraceContext } {
  if (typeof text !== 'string') return {};
  const traceContext = readTraceContext(traceContextOf(text));
  return traceContext === undefined ? {} : { traceContext };
}

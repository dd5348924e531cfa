import { readTraceContext, type TraceContext } from '../core/order/trace/trace-context.ts';

/**
 * The trace that a request belongs to, for the order that it hands in: the headers `traceparent` and `tracestate`.
 *
 * @returns `undefined` without a valid `traceparent`
 * @see {@link https://www.w3.org/TR/trace-context/ | W3C Trace Context}
 */
export function traceContextOf(headers: Headers): TraceContext | undefined {
  const traceparent = headers.get('traceparent');
  if (traceparent === null) return undefined;
  return readTraceContext({ traceparent, tracestate: headers.get('tracestate') });
}

/** The id of that trace, by which a client and an operator find what belongs to the request. */
export function traceIdOf(headers: Headers): string | undefined {
  return traceContextOf(headers)?.traceparent.split('-')[1];
}

/** The same order as part of the trace; the order itself if there is none. */
export function inTrace<T extends object>(order: T, traceContext: TraceContext | undefined): T {
  return traceContext === undefined ? order : { ...order, traceContext };
}

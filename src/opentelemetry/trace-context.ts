import { createTraceState, INVALID_TRACEID, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '../core/order/trace/trace-context.ts';

/** Whether a tracer has made the span. The form of the ids is not checked: that costs as much as to make them. */
export function isMade({ traceId }: SpanContext): boolean {
  return traceId !== INVALID_TRACEID;
}

/** As an order keeps it: the format of W3C Trace Context. `undefined` for a span that no tracer has made. */
export function traceContextOf(context: SpanContext): TraceContext | undefined {
  if (!isMade(context)) return undefined;
  const { traceId, spanId, traceFlags, traceState } = context;
  const traceparent = `00-${traceId}-${spanId}-${traceFlags < 16 ? '0' : ''}${traceFlags.toString(16)}`;
  const tracestate = traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

/** What an order has kept, which is valid: the core has checked it. */
export function spanContextOf({ traceparent, tracestate }: TraceContext): SpanContext {
  const [, traceId, spanId, traceFlags] = traceparent.split('-') as [
    string,
    string,
    string,
    string,
  ];
  return {
    traceId,
    spanId,
    traceFlags: Number.parseInt(traceFlags, 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

import { createTraceState, isSpanContextValid, type SpanContext } from '@opentelemetry/api';
import type { TraceContext } from '../core/order/trace/trace-context.ts';

/** As an order keeps it: the format of W3C Trace Context. `undefined` for a span that no tracer has made. */
export function traceContextOf(context: SpanContext): TraceContext | undefined {
  if (!isSpanContextValid(context)) return undefined;
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

import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import {
  type Duration,
  type Timestamp,
  timestampFromMs,
  type Value,
  ValueSchema,
} from '@bufbuild/protobuf/wkt';
import type { StepValues } from '../../core/order/step-result.ts';

/** A duration; milliseconds may have fractions. */
export function durationOf(ms: number): Pick<Duration, 'seconds' | 'nanos'> {
  const seconds = Math.trunc(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.trunc((ms - seconds * 1_000) * 1e6) };
}

export function timeOf(unixMs: number | undefined): Timestamp | undefined {
  return unixMs === undefined ? undefined : timestampFromMs(unixMs);
}

export function amountOf(amount: number | undefined): bigint | undefined {
  return amount === undefined ? undefined : BigInt(amount);
}

/** `undefined` for a payload that is no JSON: a host's schema may return anything. */
export function payloadOf(payload: unknown): Value | undefined {
  if (payload === undefined) return undefined;
  try {
    return fromJson(ValueSchema, JSON.parse(JSON.stringify(payload)) as JsonValue);
  } catch {
    return undefined;
  }
}

/** Without results that are no JSON: a step may return anything where the storage keeps none. */
export function resultsOf(results: StepValues = {}): Record<string, Value> {
  const own = Object.entries(results).map(([step, result]) => [step, payloadOf(result)] as const);
  return Object.fromEntries(own.filter(([, value]) => value !== undefined)) as Record<
    string,
    Value
  >;
}

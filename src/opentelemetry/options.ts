import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import { metrics, trace } from '@opentelemetry/api';
import { checkMethods, checkOptions, wrong } from '../core/runtime/checks.ts';

/**
 * What {@link instrument} takes.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { instrument } from 'order-processor/opentelemetry';
 *
 * await using processor = new OrderProcessor();
 * using _ = instrument(processor, { destination: 'shop.orders', userIds: true });
 * ```
 */
export interface InstrumentOptions {
  /** Makes the spans. The global one by default, even if it is registered later. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Makes the metrics. By default the global one, if it is registered before. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Whether spans are made; `true` by default. */
  readonly spans?: boolean | undefined;
  /** Whether metrics are made; `true` by default. */
  readonly metrics?: boolean | undefined;
  /**
   * Whether the trace context of the span `send` is kept with the order, in the file or database too, and is what
   * `process` links to. Without it an order keeps what its caller gave, and `process` links to that. `true` by default.
   */
  readonly propagation?: boolean | undefined;
  /**
   * Whether the span `process` is a child of the span `send`, in one trace with it. By default it begins a trace of its
   * own and has a link: an order may be processed long after its caller has gone.
   */
  readonly parent?: boolean | undefined;
  /** What orders are sent to, in the names of spans and in metrics: 1 to 256 characters; `'orders'` by default. */
  readonly destination?: string | undefined;
  /**
   * Attributes that all spans and metrics have, `{ region: 'eu' }` for example: they tell several processors with one
   * provider apart. None by default.
   */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether spans have the user's id, as `user.id`, and in `messaging.message.id` of orders that clients with certain users
   * have handed in over HTTP or gRPC; `false` by default. Metrics never have it.
   */
  readonly userIds?: boolean | undefined;
  /** Whether spans have the amount, in minor units; `false` by default. */
  readonly amounts?: boolean | undefined;
  /** Whether spans have the payload, as JSON of at most 4096 characters; `false` by default. */
  readonly payloads?: boolean | undefined;
  /** Whether spans have the messages of errors, which may quote a payload; `false` by default. */
  readonly errorMessages?: boolean | undefined;
}

/** The options with their defaults, checked. */
export interface InstrumentSettings {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  readonly spans: boolean;
  readonly metrics: boolean;
  readonly propagation: boolean;
  readonly parent: boolean;
  readonly destination: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly userIds: boolean;
  readonly amounts: boolean;
  readonly payloads: boolean;
  readonly errorMessages: boolean;
}

const flags = {
  spans: true,
  metrics: true,
  propagation: true,
  parent: false,
  userIds: false,
  amounts: false,
  payloads: false,
  errorMessages: false,
} as const;

const names = [
  'tracerProvider',
  'meterProvider',
  'destination',
  'attributes',
  ...Object.keys(flags),
];

/** @throws TypeError */
export function readOptions(options: InstrumentOptions): InstrumentSettings {
  checkOptions('instrument', options, names);
  const { destination = 'orders', attributes = {} } = options;
  const { tracerProvider = trace.getTracerProvider(), meterProvider = metrics.getMeterProvider() } =
    options;
  checkMethods('tracerProvider', tracerProvider, ['getTracer']);
  checkMethods('meterProvider', meterProvider, ['getMeter']);
  if (typeof destination !== 'string' || destination === '' || destination.length > 256) {
    throw wrong(TypeError, 'destination', 'a string of 1 to 256 characters', destination);
  }
  return {
    ...{ tracerProvider, meterProvider, destination },
    ...readFlags(options),
    attributes: readAttributes(attributes),
  };
}

function readFlags(options: InstrumentOptions): Record<keyof typeof flags, boolean> {
  const read: Record<keyof typeof flags, boolean> = { ...flags };
  for (const name of Object.keys(flags) as (keyof typeof flags)[]) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== 'boolean') throw wrong(TypeError, name, 'a boolean', value);
    read[name] = value;
  }
  return read;
}

function readAttributes(attributes: Readonly<Record<string, string>>): Record<string, string> {
  if (typeof attributes !== 'object' || attributes === null) {
    throw wrong(TypeError, 'attributes', 'an object', attributes);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value !== 'string') throw wrong(TypeError, `attributes.${name}`, 'a string', value);
  }
  return { ...attributes };
}

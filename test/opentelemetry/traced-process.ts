import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type Span,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach } from 'vitest';

/** The context manager of the process, as an SDK registers it; for each test of a file. */
export function useContextManager(): void {
  beforeEach(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  afterEach(() => context.disable());
}

/** Counts the spans that have started and ended. */
class CountedSpans implements SpanProcessor {
  readonly started: Span[] = [];
  readonly ended: ReadableSpan[] = [];
  /** The span of each call of `end`: the SDK lets a second one of a span do nothing. */
  readonly endCalls: Span[] = [];

  onStart(span: Span): void {
    this.started.push(span);
    const end = span.end.bind(span);
    span.end = (time) => {
      this.endCalls.push(span);
      end(time);
    };
  }

  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}

/** The spans of the real SDK, in memory. */
export class TracedProcess {
  readonly #exporter = new InMemorySpanExporter();
  readonly counted = new CountedSpans();
  readonly provider: TracerProvider;

  /** @param sampler - all spans by default */
  constructor(sampler?: Sampler) {
    this.provider = new TracerProvider({
      spanProcessors: [this.counted, new SimpleSpanProcessor({ exporter: this.#exporter })],
      ...(sampler && { sampler }),
    });
  }

  get tracer() {
    return this.provider.getTracer('test');
  }

  get spans(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  named(name: string): readonly ReadableSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The only one of this name. */
  one(name: string): ReadableSpan {
    const [span, ...others] = this.named(name);
    if (span === undefined || others.length > 0) {
      const names = this.spans.map((each) => each.name).join(', ');
      throw new Error(`Expected one span \`${name}\` among ${names}`);
    }
    return span;
  }

  /** Runs something under a span of the host's own. Needs no `this`. */
  readonly within = <T>(name: string, work: () => Promise<T>): Promise<T> =>
    this.tracer.startActiveSpan(name, async (span) => {
      try {
        return await work();
      } finally {
        span.end();
      }
    });
}

export const idOf = (span: ReadableSpan): string => span.spanContext().spanId;
export const traceOf = (span: ReadableSpan): string => span.spanContext().traceId;
export const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
export const linksOf = (span: ReadableSpan): string[] =>
  span.links.map(({ context: { spanId } }) => spanId);

/** What the span of the code that calls this is, `undefined` outside of one. */
export const activeSpanId = (): string | undefined => trace.getActiveSpan()?.spanContext().spanId;

/** What a test says of a span. */
export function shapeOf(span: ReadableSpan) {
  const { name, kind, status, attributes } = span;
  return {
    ...{ name, kind: SpanKind[kind], attributes },
    status: SpanStatusCode[status.code],
    ...(status.message !== undefined && { message: status.message }),
  };
}

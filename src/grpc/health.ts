import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { OrderProcessor } from '../core/order-processor.ts';
import { draining } from '../server/listening/server-draining.ts';
import {
  type Health,
  type HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from './gen/grpc/health/v1/health_pb.js';
import { OrderService } from './gen/orderprocessor/v1/orders_pb.js';

/** How often a watched status is checked, in milliseconds. */
const checkMs = 500;

/** How many may watch at once: no credentials are needed. */
const maxWatchers = 100;

const services = ['', OrderService.typeName];

/**
 * The standard health service: serving while orders are accepted and kept.
 *
 * @see {@link https://github.com/grpc/grpc/blob/master/doc/health-checking.md | the protocol}
 */
export class HealthReporter {
  readonly #processor: OrderProcessor;
  #watchers = 0;

  constructor(processor: OrderProcessor) {
    this.#processor = processor;
  }

  methods(): ServiceImpl<typeof Health> {
    return {
      check: ({ service }) => {
        if (!services.includes(service)) {
          throw new ConnectError('There is no such service', Code.NotFound);
        }
        return { status: this.#status() };
      },
      watch: ({ service }, context) => this.#watch(service, context),
    };
  }

  #status(): Status {
    const { state, storage } = this.#processor.stats();
    const isServing = state === 'running' && storage === 'ready';
    const isEnding = draining(this.#processor).signal.aborted;
    return isServing && !isEnding ? Status.SERVING : Status.NOT_SERVING;
  }

  async *#watch(
    service: string,
    { signal }: HandlerContext,
  ): AsyncGenerator<MessageInitShape<typeof HealthCheckResponseSchema>> {
    if (this.#watchers >= maxWatchers) {
      throw new ConnectError('There are too many watchers', Code.ResourceExhausted);
    }
    this.#watchers += 1;
    let sent: Status | undefined;
    try {
      while (!signal.aborted) {
        const status = services.includes(service) ? this.#status() : Status.SERVICE_UNKNOWN;
        if (status !== sent) yield { status };
        sent = status;
        if (draining(this.#processor).signal.aborted) return;
        await pause(signal);
      }
    } finally {
      this.#watchers -= 1;
    }
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, checkMs);
    timer.unref();
    signal.addEventListener('abort', end);
  });
}

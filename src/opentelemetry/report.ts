import { diag } from '@opentelemetry/api';

/** Says that a tracer or a meter of the host has thrown. */
export function report(error: unknown): void {
  try {
    diag.error('order-processor: the provider of OpenTelemetry has thrown', error);
  } catch {
    // The logger of the host throws as well: there is nothing left to say it with.
  }
}

import type { Attributes, Tracer } from '@opentelemetry/api';
import {
  attribute,
  type OperationType,
  schemaUrl,
  scopeName,
  scopeVersion,
  systemName,
} from '../conventions.ts';
import type { InstrumentSettings } from '../options.ts';

/** What all spans of one processor are made with. */
export interface SpanSettings extends InstrumentSettings {
  readonly tracer: Tracer;
}

export function spanSettingsOf(settings: InstrumentSettings): SpanSettings {
  const tracer = settings.tracerProvider.getTracer(scopeName, scopeVersion, { schemaUrl });
  return { ...settings, tracer };
}

/** What a sampler sees of an operation. The same object for all spans of it. */
export function operationAttributes(
  { attributes, destination }: InstrumentSettings,
  operation: OperationType,
): Attributes {
  return Object.freeze({
    ...attributes,
    [attribute.system]: systemName,
    [attribute.operationName]: operation,
    [attribute.operationType]: operation,
    [attribute.destination]: destination,
  });
}

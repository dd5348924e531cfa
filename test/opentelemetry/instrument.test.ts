/** The life of an instrumentation: its options, what it needs, its end. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it, vi } from 'vitest';
import { scopeVersion } from '../../src/opentelemetry/conventions.ts';

const root = join(import.meta.dirname, '../..');
const jsonOf = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));

describe('options', () => {
  const wrong: [string, unknown, string][] = [
    ['no object', 7, 'Expected `instrument options` to be an object, got `7`'],
    [
      'an unknown name',
      { tracer: {} },
      'Expected the options of instrument to be among tracerProvider, meterProvider, destination, attributes, spans, metrics, propagation, parent, userIds, amounts, payloads, errorMessages, got `tracer`',
    ],
    [
      'no tracer provider',
      { tracerProvider: {} },
      'Expected `tracerProvider.getTracer` to be a function, got `undefined`',
    ],
    [
      'no meter provider',
      { meterProvider: null },
      'Expected `meterProvider` to be an object, got `null`',
    ],
    ...['', 'x'.repeat(257), 5].map((destination): [string, unknown, string] => [
      `the destination ${destination}`,
      { destination },
      'Expected `destination` to be a string of 1 to 256 characters, got `',
    ]),
    ['a flag that is none', { parent: 1 }, 'Expected `parent` to be a boolean, got `1`'],
    ['attributes that are none', { attributes: 'eu' }, 'Expected `attributes` to be an object'],
    [
      'an attribute without a string',
      { attributes: { region: 5 } },
      'Expected `attributes.region` to be a string, got `5`',
    ],
  ];

  it.each(wrong)('%s: throw, and nothing is listened to', (_, options, message) => {
    const processor = new OrderProcessor();
    const on = vi.spyOn(processor, 'on');
    expect(() => instrument(processor, options as never)).toThrow(message);
    expect(on).not.toHaveBeenCalled();
    instrument(processor).stop();
  });

  it.each([undefined, null, 7, {}])('the processor %s throws', (processor) => {
    expect(() => instrument(processor as never)).toThrow(TypeError);
  });
});

it('a processor is instrumented once, and again after it was stopped', () => {
  const processor = new OrderProcessor();
  const { stop } = instrument(processor);
  expect(() => instrument(processor)).toThrow('Expected `processor` to be not yet instrumented');
  stop();
  const second = instrument(processor);
  // Stopping the first once more does not stop the second.
  stop();
  expect(() => instrument(processor)).toThrow('Expected `processor` to be not yet instrumented');
  second[Symbol.dispose]();
});

it('says the version of the package as that of its scope', () => {
  expect(scopeVersion).toBe(jsonOf('package.json').version);
});

import { OrderProcessor, type Step } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { quote, show } from '../../../src/core/runtime/thrown.ts';
import { codeOf, errorOf } from '../../kit/helpers.ts';

afterEach(() => void vi.restoreAllMocks());

const id = 'o-1\n(node:1) [stalled]\u001b[2J\u009b1m\u2028\u202e';
const controls = /[\p{Cc}\u2028\u202e]/u;

function warnings(): string[] {
  const seen: string[] = [];
  vi.spyOn(process, 'emitWarning').mockImplementation((text) => void seen.push(String(text)));
  return seen;
}

describe('an id with line breaks and control characters', () => {
  it('is quoted in the warning `stalled`', async () => {
    const seen = warnings();
    const hangs: Step = { name: 'hangs', run: (_, { signal }) => aborted(signal) };
    const processor = new OrderProcessor({ steps: [hangs], stalledAfterMs: 10 });
    void codeOf(processor.submit({ id, userId: 'u', amount: 1 }));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(seen[0]).not.toMatch(controls);
    expect(seen[0]).toContain('Order "o-1\\n(node:1)');
    await processor.shutdown({ timeoutMs: 1 });
  });

  it('is quoted in the warning `compensation_failed`, and so is what a step threw', async () => {
    const seen = warnings();
    const fails = (): never => {
      throw Object.assign(new Error('No\nfunds'), { code: 'no_funds' });
    };
    const steps: Step[] = [
      { name: 'pay', run: () => {}, compensate: fails },
      { name: 'work', after: 'pay', run: fails },
    ];
    const processor = new OrderProcessor({ steps });
    await codeOf(processor.submit({ id, userId: 'u', amount: 1 }));
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toMatch(controls);
    await processor.shutdown();
  });

  it('is quoted in the message of a conflict', async () => {
    const processor = new OrderProcessor();
    await processor.submit({ id, userId: 'u', amount: 1 });
    const { message } = await errorOf(processor.submit({ id, userId: 'u', amount: 2 }));
    expect(message).not.toMatch(controls);
    await processor.shutdown();
  });

  it('is whole where it is quoted, and short where it is shown', () => {
    expect(JSON.parse(quote(id))).toBe(id);
    expect(quote('x'.repeat(256))).toHaveLength(258);
    expect(show('x'.repeat(256))).toHaveLength(61);
    expect(show(id)).not.toMatch(controls);
  });
});

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

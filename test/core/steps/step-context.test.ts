import { OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { order } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

it('invariant 5: an `idempotencyKey` is unlike any other, with any ids and names of steps', async () => {
  const parts = ['a', 'b', 'a:b', 'b:c', 'a/b', 'a%3Ab', 'a%2Fb', '%3A', ':', '/', 'ä'];
  const names = [
    ...parts,
    ...parts.flatMap((part) => [`${part}:compensate`, `${part}/compensate`]),
  ];
  const keys: string[] = [];
  const steps = names.map((name): Step => {
    return {
      name,
      run: (_, { idempotencyKey }) => void keys.push(idempotencyKey),
      compensate: (_, { compensationKey }) => void keys.push(compensationKey),
    };
  });
  steps.push({ name: 'fails', run: () => Promise.reject({ code: 'declined' }) });
  const processor = new OrderProcessor({ steps });
  for (const id of [...names, ...names.map((name) => `a:${name}`)]) {
    const failed = codeOf(processor.submit({ ...order(id) }));
    await clock.runAll();
    expect(await failed).toMatch(/declined|order_conflict/);
  }
  const ids = new Set([...names, ...names.map((name) => `a:${name}`)]);
  expect(keys).toHaveLength(ids.size * names.length * 2);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toContain('a:b:b%3Ac');
  expect(keys).toContain('a:b:b%3Ac/compensate');
});

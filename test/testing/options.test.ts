/** A host that misuses the suite, or whose storage fails, gets an error that says what is wrong. */
import { inspect } from 'node:util';
import { MemoryStorage } from 'order-processor';
import { checkBalanceStorage, checkOrderStorage } from 'order-processor/testing';
import { describe, expect, it } from 'vitest';
import type { SettlementResult } from '../../src/core/storage/order-storage.ts';
import { balanceTests, orderTests } from './failures-of.ts';
import { lying } from './lying.ts';

const test = () => {
  throw new Error('Nothing is declared');
};
const create = () => new MemoryStorage();

describe.each([
  ['checkBalanceStorage', checkBalanceStorage],
  ['checkOrderStorage', checkOrderStorage],
])('%s', (name, declare) => {
  it.each([
    [{ sead: 1 }, new RegExp(`^Expected the options of ${name} to be among .*, got \`sead\`$`)],
    [{ test: undefined }, /^Expected `test` to be a function, got `undefined`$/],
    [{ create: {} }, /^Expected `create` to be a function, got /],
    [{ destroy: 'rm' }, /^Expected `destroy` to be a function, got /],
    [{ seed: '1' }, /^Expected `seed` to be a safe integer, got /],
    [
      { faults: { befor: () => {} } },
      /^Expected the options of faults to be among .*, got `befor`$/,
    ],
    [{ faults: { before: true } }, /^Expected `faults.before` to be a function, got `true`$/],
  ])('refuses %o', (wrong, message) => {
    const options = { test, create, ...wrong } as unknown as Parameters<typeof declare>[0];
    const act = () => declare(options);
    expect(act).toThrow(TypeError);
    expect(act).toThrow(message);
  });
});

it('checkOrderStorage takes `reopen`, and checkBalanceStorage does not', () => {
  const declare = checkBalanceStorage as (options: object) => void;
  expect(() => declare({ test, create, reopen: create })).toThrow('got `reopen`');
  expect(() => orderTests(create, { reopen: create })).not.toThrow();
  expect(() => orderTests(create, { reopen: true as never })).toThrow('`reopen`');
});

/** What the first failing test among those with such names rejects with. */
async function failureOf(tests: ReturnType<typeof orderTests>, name: string): Promise<Error> {
  for (const [full, run] of tests) {
    if (!full.includes(name)) continue;
    const error: unknown = await run().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof Error) return error;
  }
  throw new Error(`No test of ${name} has failed`);
}

it.each([
  ['an assertion', () => []],
  [
    'an error of the storage',
    () => {
      throw new Error('$$ is lost');
    },
  ],
  [
    'an error without a message',
    () => {
      throw new Error();
    },
  ],
])('a random test that fails says its seed wherever one looks: %s', async (_, apply) => {
  const tests = balanceTests(() => ({ get: () => undefined, apply }), { seed: 4711 });
  const error = await failureOf(tests, 'random');
  expect(error.message).toMatch(/^With `seed: 4711`: /);
  // What node:test prints.
  expect(inspect(error)).toContain('With `seed: 4711`: ');
  expect(inspect(error)).toContain(error.message);
  expect(error.stack).toContain('    at ');
});

it('a result of an unknown status is reported as such', async () => {
  const decided = { status: 'decided' } as unknown as SettlementResult;
  const settling = orderTests(() =>
    lying(() => ({ settle: (settlements) => settlements.map(() => decided) })),
  );
  expect((await failureOf(settling, 'order rule 3')).message).toBe(
    "Expected one of settled, refused, known, got 'decided'",
  );
  const accepting = orderTests(() =>
    lying(() => ({ accept: (orders) => orders.map(() => undefined as never) })),
  );
  expect((await failureOf(accepting, 'order rule 2')).message).toBe(
    'Expected one of accepted, known, got undefined',
  );
});

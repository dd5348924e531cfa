/** On each version of Node.js, since they keep async contexts in different places. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from 'vitest';
import { StepScope } from '../../../src/core/runtime/step-scope.ts';

const [outerOwner, innerOwner] = [{}, {}];
const host = new AsyncLocalStorage<string>();
const running = { running: 1 };

/** The scope of an order that a step of another processor's order has handed in. */
function nested() {
  const outer = new StepScope(outerOwner, 'u');
  outer.begin(running);
  let inner: StepScope | undefined;
  outer.enter(() => {
    inner = new StepScope(innerOwner, 'v');
    inner.begin(running);
  }, undefined);
  return { outer, inner: inner as unknown as StepScope };
}

/** What is seen here: the scopes of both, and the host's context. */
function seen() {
  const scopes = [outerOwner, innerOwner].map((owner) => StepScope.around(owner)?.userId);
  return [...scopes, StepScope.of(innerOwner)?.userId, host.getStore()];
}

const nothing = [undefined, undefined, undefined, undefined];

describe('the scope of an order', () => {
  it('invariant 4: is inside the step that led to it, each time that it is entered and renewed', () => {
    const { inner } = nested();
    const inside: unknown[] = [];
    const look = (): void => void inside.push(seen());
    inner.enter(look, undefined);
    inner.enter(look, undefined);
    const renewed = inner.renew((enter) => host.run('attempt', enter));
    renewed.enter(look, undefined);
    const again = renewed.renew((enter) => enter());
    again.enter(look, undefined);
    const scopes = ['u', 'v', 'v'];
    expect(inside).toEqual([
      [...scopes, undefined],
      [...scopes, undefined],
      [...scopes, 'attempt'],
      [...scopes, 'attempt'],
    ]);
  });

  it('invariant 8: is left with the call, also when that throws, and goes into nothing else', async () => {
    const { outer, inner } = nested();
    const begun: Promise<unknown>[] = [];
    for (const scope of [outer, inner]) {
      const before = Promise.resolve().then(seen);
      const fails = (): never => {
        begun.push(Promise.resolve().then(() => StepScope.around(outerOwner)?.userId));
        throw new Error('Failed');
      };
      expect(() => scope.enter(fails, undefined)).toThrow('Failed');
      expect(seen()).toEqual(nothing);
      expect(await before).toEqual(nothing);
      expect(await new Promise((resolve) => setImmediate(() => resolve(seen())))).toEqual(nothing);
    }
    expect(await Promise.all(begun)).toEqual(['u', 'u']);
  });
});

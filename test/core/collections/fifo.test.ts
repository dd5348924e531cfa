import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '../../../src/core/collections/fifo.ts';

describe('a fifo', () => {
  it('gives its members back in the order they came', () => {
    const property = fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (pushes) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const [index, isPush] of pushes.entries()) {
        if (isPush) {
          fifo.push(index);
          model.push(index);
        } else expect(fifo.shift()).toBe(model.shift());
        expect(fifo.isEmpty).toBe(model.length === 0);
      }
    });
    fc.assert(property);
  });
});

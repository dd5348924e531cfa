import type { BenchOrder, Submit } from './contenders.ts';

/** So many callers, each of which submits its next order when its last one is done. */
export async function closedLoop(
  submit: Submit,
  orders: readonly BenchOrder[],
  inFlight: number,
): Promise<number> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < orders.length) {
      const order = orders[next] as BenchOrder;
      next += 1;
      await submit(order);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, caller));
  return perSecond(orders.length, start);
}

export function perSecond(count: number, start: number): number {
  return (count / (performance.now() - start)) * 1_000;
}

export async function heapUsed(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

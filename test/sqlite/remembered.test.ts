/** A step with `remember` on a file, over processes that are killed (invariant 9). */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { useFolder } from './helpers.ts';

const folder = useFolder();
const src = join(import.meta.dirname, '../../src');

/** Runs orders until some step that comes after a remembered one has begun `kills` times, and dies there. */
function processThatDies(file: string, log: string, kills: number): void {
  const program = `
    import { appendFileSync } from 'node:fs';
    import { inOrder, OrderProcessor } from ${JSON.stringify(join(src, 'index.ts'))};
    import { SqliteStorage } from ${JSON.stringify(join(src, 'sqlite/index.ts'))};
    let left = ${kills};
    const steps = inOrder(
      {
        name: 'pay',
        remember: true,
        run({ id }) {
          appendFileSync(${JSON.stringify(log)}, 'pay ' + id + '\\n');
          return 'charge of ' + id;
        },
      },
      {
        name: 'ship',
        run({ id }, { results }) {
          appendFileSync(${JSON.stringify(log)}, 'ship ' + id + ' ' + results.pay + '\\n');
          left -= 1;
          if (left === 0) process.kill(process.pid, 'SIGKILL');
        },
      },
    );
    const storage = await SqliteStorage.open(${JSON.stringify(file)}, { waitMs: 5_000 });
    const processor = new OrderProcessor({ storage, steps });
    await processor.ready;
    const orders = Array.from({ length: 40 }, (_, at) => ({
      id: 'o-' + at, userId: 'u-' + (at % 20), amount: 1,
    }));
    await processor.submitMany(orders);
    await processor.shutdown();`;
  spawnSync(process.execPath, ['--input-type=module', '--eval', program], { timeout: 60_000 });
}

it('invariant 9: is run once for each order, over kills while the step after it runs', {
  timeout: 120_000,
}, async () => {
  const [file, log] = [folder.path(), folder.path('steps.log')];
  for (const kills of [1, 7, 25]) processThatDies(file, log, kills);
  const begun: string[] = [];
  const step = (name: string, rest: Partial<Step> = {}): Step => ({
    name,
    remember: name === 'pay',
    run: ({ id }, { results }) => {
      begun.push(`${name} ${id}${name === 'ship' ? ` ${results.pay}` : ''}`);
      return name === 'pay' ? `charge of ${id}` : undefined;
    },
    ...rest,
  });
  const storage = await folder.open({ waitMs: 5_000 });
  const steps = [step('pay'), step('ship', { after: 'pay' })];
  const processor = new OrderProcessor({ storage, steps });
  await processor.ready;
  await processor.onIdle();
  const { orders } = await processor.orders({ limit: 100 });
  expect(orders.length).toBeGreaterThan(20);
  for (const { id, status, results } of orders) {
    expect([status, results]).toEqual(['completed', { pay: `charge of ${id}` }]);
  }
  expect(existsSync(log)).toBe(true);
  const lines = [...readFileSync(log, 'utf8').trim().split('\n'), ...begun];
  const shipped = new Set<string>();
  const paid = new Map<string, number>();
  for (const line of lines) {
    const [name, id = '', ...rest] = line.split(' ');
    if (name === 'ship') {
      expect(rest.join(' ')).toBe(`charge of ${id}`);
      shipped.add(id);
    } else {
      // What comes after it had begun, so its result was on disk.
      expect(shipped.has(id), `${id} is paid again`).toBe(false);
      paid.set(id, (paid.get(id) ?? 0) + 1);
    }
  }
  expect(shipped.size).toBe(orders.length);
  await processor.shutdown();
  expect(await (await folder.open({ waitMs: 5_000 })).check()).toEqual([]);
});

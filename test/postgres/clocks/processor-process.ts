/** A processor in a process whose clock is wrong. It does what its parent asks, and says when a step begins. */
import '../../kit/shifted-clock.ts';
import { OrderProcessor } from '../../../src/index.ts';
import { PostgresStorage, type PostgresStorageOptions } from '../../../src/postgres/index.ts';

/** A call of one of the processor's methods. */
export interface Call {
  readonly number: number;
  readonly method:
    | 'enqueue'
    | 'submit'
    | 'outcome'
    | 'hold'
    | 'release'
    | 'order'
    | 'pause'
    | 'stats';
  readonly given: readonly unknown[];
}

const storage = await PostgresStorage.open(
  JSON.parse(process.argv[2] as string) as PostgresStorageOptions,
);
const processor = new OrderProcessor({
  storage,
  steps: [{ name: 'work', run: ({ id }) => void process.send?.({ began: id }) }],
});
processor.on('error', () => {});
process.on('disconnect', () => process.exit());
process.on('message', async ({ number, method, given }: Call) => {
  try {
    const call = processor[method] as (...given: unknown[]) => unknown;
    process.send?.({ number, value: (await call.apply(processor, [...given])) ?? null });
  } catch (error) {
    process.send?.({ number, code: (error as { code?: string }).code ?? `${error}` });
  }
});
await processor.ready;
process.send?.({ ready: true });

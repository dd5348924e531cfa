import { OrderProcessor, type OrderProcessorOptions, refuse } from 'order-processor';
import {
  type Authenticate,
  bearer,
  createOrderApp,
  type OrderAppOptions,
} from 'order-processor/http';
import { observe } from 'order-processor/prometheus';
import type { Dice } from './dice.ts';
import { Ledger } from './ledger.ts';
import type { World } from './requests.ts';

/** A processor with its app, and all that is to be known of it in the end. */
export interface Life {
  readonly processor: OrderProcessor;
  readonly app: ReturnType<typeof createOrderApp>;
  readonly ledger: Ledger;
  readonly world: World;
  /** The errors that `onError` got. */
  readonly internal: unknown[];
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const steps = [
  { name: 'wait', run: turn },
  {
    name: 'pay',
    run: ({ amount }: { amount: number }): void => {
      if (amount % 7 !== 0) return;
      throw Object.assign(new Error('declined'), { code: 'payment_declined', retryable: false });
    },
    compensate: turn,
  },
];

const processors: readonly OrderProcessorOptions[] = [
  {},
  { minBalance: 0 },
  { steps, concurrency: 4 },
  { steps, concurrency: 1, capacity: 6 },
  { steps, capacity: 5, overflow: 'wait' },
  { steps, concurrency: 3, onFailure: 'hold' },
  { rules: [({ amount }) => (amount % 5 === 0 ? refuse('no_fives', 'No fives') : undefined)] },
];

const withToken = bearer({
  'the-token-of-all': { users: 'all' },
  'the-token-of-u-1': { users: ['u-1'], mayAddMoney: true },
  'the-token-of-none': { users: [] },
  'the-token-of-operators': { users: [], isOperator: true },
});

/** Who says nothing may do anything, so that most requests come further than this. */
const authenticate: Authenticate = async (request) =>
  request.headers.get('authorization') === null ? { users: 'all' } : withToken(request);

export const readers = 8;

/** Requests wait for orders of held lanes, so no lane is held for long. */
const heldMs = 5;

function releaseSoon(processor: OrderProcessor): void {
  processor.on('held', ({ userId, orderId }) => {
    const release = (): void => {
      // A request may have been first.
      processor.release(userId, orderId === undefined ? undefined : 'skip').catch(() => {});
    };
    setTimeout(release, heldMs);
  });
}

/** Seeds in a row get all kinds of processors. */
export function lifeOf(seed: number, dice: Dice, options: OrderAppOptions = {}): Life {
  const internal: unknown[] = [];
  const processor = new OrderProcessor(processors[seed % processors.length]);
  releaseSoon(processor);
  const app = createOrderApp(processor, {
    bodyLimitBytes: dice.pick([8_192, 1_048_576]),
    events: { readers, operatorReaders: readers, buffer: 16 },
    metrics: observe(processor),
    authenticate: dice.chance(0.5) ? authenticate : undefined,
    onError: (error) => internal.push(error),
    ...options,
  });
  const users = ['u-1', 'u-2', 'u-3', '__proto__', 'ä/b?c#d%', '👍'];
  const world: World = { users, ids: [], cursors: [] };
  return { processor, app, ledger: new Ledger(processor), world, internal };
}

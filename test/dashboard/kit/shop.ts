/** A shop whose orders come to every end that the dashboard shows. */
import { setTimeout } from 'node:timers/promises';
import {
  type Order,
  OrderProcessor,
  type OrderProcessorOptions,
  prioritize,
} from 'order-processor';

/** What strangers may write: markup, text that runs the other way, and very long names. */
export const hostile = {
  user: '"><img src=x onerror="document.title=1">\u202Egnp.exe',
  order: `<script>document.title=1</script>${'long'.repeat(50)}`,
  text: '</script><style>*{display:none}</style>\u202Eשלום <b>bold</b>',
} as const;

/** More than a floating-point number of major units could have. */
export const most = Number.MAX_SAFE_INTEGER;

interface Payload {
  readonly card?: 'declined' | 'flaky';
  readonly vendor?: 'down';
  readonly refund?: 'fails';
  readonly courier?: 'slow' | 'lost';
  readonly note?: string;
  /** How long the payment and the courier take. */
  readonly takesMs?: number;
}

export type Shop = OrderProcessor<Payload, Payload, Readonly<Record<string, unknown>>>;

/** What a test changes while the shop runs. */
export interface World {
  isVendorUp: boolean;
  areRefundsDown: boolean;
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

async function takes(payload: Payload | undefined): Promise<void> {
  if (payload?.takesMs !== undefined) await setTimeout(payload.takesMs);
}

export interface OpenedShop {
  readonly processor: Shop;
  readonly world: World;
}

export function openShop(storage?: OrderProcessorOptions['storage']): OpenedShop {
  const world: World = { isVendorUp: false, areRefundsDown: true };
  const processor: Shop = new OrderProcessor<Payload, Payload, Readonly<Record<string, unknown>>>({
    ...(storage && { storage }),
    minBalance: -1_000_000,
    stalledAfterMs: 1_000,
    rules: [({ payload }) => payload?.note !== undefined && prioritize('high', payload.note)],
    steps: [
      {
        name: 'payment',
        retry: { attempts: 3, delayMs: 30, retryIf: (_error, attempt) => attempt < 2 },
        run: async ({ id, payload }, { attempt }) => {
          await takes(payload);
          if (payload?.card === 'declined') throw coded('card_declined', 'The card was declined');
          if (payload?.card === 'flaky' && attempt === 1) throw coded('timeout', 'No answer');
          return { reference: `pay-${id.slice(0, 8)}`, exact: 12345 };
        },
        compensate: ({ payload }) => {
          if (payload?.refund === 'fails' && world.areRefundsDown) {
            throw coded('refund_rejected', 'The bank rejected the refund');
          }
        },
      },
      {
        name: 'vendor',
        after: 'payment',
        onFailure: 'hold',
        when: ({ payload }) => payload?.vendor !== undefined,
        run: () => {
          if (!world.isVendorUp) throw coded('vendor_unavailable', 'The vendor does not answer');
        },
      },
      {
        name: 'courier',
        after: ['payment', 'vendor'],
        run: async ({ payload }, { progress, signal }) => {
          await takes(payload);
          if (payload?.courier === 'lost') throw coded('courier_lost', 'The courier got lost');
          if (payload?.courier !== 'slow') return undefined;
          progress(0.4, 'on its way');
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
          });
        },
      },
    ],
  });
  // What has no listener is a warning of the process.
  processor.on('error', () => {});
  processor.on('stalled', () => {});
  return { processor, world };
}

/** Hands in an order of each kind, and waits until each is where it is to be. */
export async function fillShop({ processor }: OpenedShop): Promise<void> {
  const submit = (order: Order<Payload>) => processor.submit(order).catch(() => undefined);
  const enqueue = (order: Order<Payload>) => processor.enqueue(order);
  await submit({ id: 'ann-1', userId: 'ann', amount: 250_000, payload: {} });
  await submit({ id: 'ann-2', userId: 'ann', amount: -12_50, payload: { card: 'flaky' } });
  await submit({ id: 'ann-3', userId: 'ann', amount: -99_00, payload: { card: 'declined' } });
  await submit({
    id: 'ann-4',
    userId: 'ann',
    amount: -45_00,
    payload: { courier: 'lost', refund: 'fails', card: 'flaky', takesMs: 45 },
  });
  const postings = [
    { userId: 'merchant', amount: 38_00 },
    { userId: 'fees', amount: 2_00 },
  ];
  await submit({ id: 'ann-5', userId: 'ann', amount: -40_00, postings, payload: {} });
  await submit({ id: 'greta-1', userId: 'greta', amount: most, payload: {} });
  await submit({
    id: hostile.order,
    userId: hostile.user,
    amount: -7_00,
    payload: { card: 'declined', note: hostile.text },
  });
  await enqueue({ id: 'bob-1', userId: 'bob', amount: -30_00, payload: { vendor: 'down' } });
  await enqueue({ id: 'bob-2', userId: 'bob', amount: -10_00, payload: {}, priority: 'high' });
  await enqueue({ id: 'bob-3', userId: 'bob', amount: -11_00, payload: {} });
  await processor.hold('carol', { reason: `Fraud? ${hostile.text}` });
  await enqueue({ id: 'carol-1', userId: 'carol', amount: -5_00, payload: {} });
  await enqueue({ id: 'dave-1', userId: 'dave', amount: -60_00, payload: { courier: 'slow' } });
  await enqueue({ id: 'dave-2', userId: 'dave', amount: -61_00, payload: {} });
  const notBefore = Date.now() + 3_600_000;
  await enqueue({ id: 'frank-1', userId: 'frank', amount: 5_00, payload: {}, notBefore });
  const canceled = enqueue({ id: 'carol-2', userId: 'carol', amount: -6_00, payload: {} });
  await canceled;
  await processor.cancel('carol-2');
  await until(async () => (await processor.holds()).holds.length === 2);
  await until(() => Promise.resolve(processor.stats().activeWorkers === 1));
}

/** Asks until it is so. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 500) throw new Error(`It never came to this: ${isSo}`);
    await setTimeout(20);
  }
}

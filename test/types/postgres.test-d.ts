/** The types of `order-processor/postgres`. Checked by the compiler; nothing here runs. */
import { OrderProcessor, type OrderStorage } from 'order-processor';
import { PostgresStorage, type PostgresStorageOptions } from 'order-processor/postgres';
import type { ClientConfig } from 'pg';
import { describe, expectTypeOf, it } from 'vitest';

describe('PostgresStorage', () => {
  it('is a storage of a processor', async () => {
    const storage = await PostgresStorage.open({ connectionString: 'postgres://host/orders' });
    expectTypeOf(storage).toExtend<OrderStorage>();
    new OrderProcessor<{ dish: string }>({ storage });
  });

  it('takes what a client of pg takes, and nothing unknown', () => {
    expectTypeOf<ClientConfig>().toExtend<NonNullable<PostgresStorageOptions['pg']>>();
    PostgresStorage.open({ pg: { host: 'host', ssl: true, password: async () => 'secret' } });
    // @ts-expect-error no such option
    PostgresStorage.open({ connectionString: 'postgres://host/orders', url: '' });
    // @ts-expect-error not made by `new`
    new PostgresStorage({});
  });
});

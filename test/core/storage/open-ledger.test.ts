import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

it('refuses a storage that has a processor already, until that has shut down', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  expect(() => new OrderProcessor({ storage })).toThrow(TypeError);
  await processor.shutdown();
  // One that can be opened again.
  storage.isClosed = false;
  expect(() => new OrderProcessor({ storage })).not.toThrow();
});

import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { useFolder } from './helpers.ts';

const folder = useFolder();

it('invariant 4: no processor is made with a storage that has been closed, by a processor too', async () => {
  const storage = await folder.open();
  const processor = new OrderProcessor({ storage });
  expect(storage.isClosed).toBe(false);
  await processor.shutdown();
  expect(storage.isClosed).toBe(true);
  expect(() => new OrderProcessor({ storage })).toThrow(
    new TypeError('Expected `storage` to be open, but it has been closed'),
  );
});

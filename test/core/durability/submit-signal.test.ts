import { OrderProcessor, refuse } from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf, deferred, outcomeNow } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

it('invariant 4: a signal ends the question whether an order that is refused is known', async () => {
  const storage = new KeptStorage();
  const rules = [() => refuse('not_today', 'Not today')];
  const processor = await open(storage, { rules });
  const answer = deferred<Fate>();
  storage.fate = fatesOf('find', answer.promise);
  const controller = new AbortController();
  const code = codeOf(processor.submit(order, { signal: controller.signal }));
  await clock.settle();
  expect(await outcomeNow(code)).toBe('pending');
  controller.abort();
  expect(await outcomeNow(code)).toBe('canceled');
  answer.resolve('works');
  await processor.shutdown();
});

it('invariant 4: a signal that the payload itself aborts while it is copied refuses the order', async () => {
  const processor = new OrderProcessor({ storage: new KeptStorage(undefined, 'json') });
  await processor.ready;
  const controller = new AbortController();
  const payload = {
    get field() {
      controller.abort();
      return 1;
    },
  };
  const code = codeOf(processor.submit({ ...order, payload }, { signal: controller.signal }));
  await clock.settle();
  expect(await outcomeNow(code)).toBe('canceled');
  expect(processor.stats()).toMatchObject({ accepted: 0, unsettled: 0 });
  await processor.shutdown();
});

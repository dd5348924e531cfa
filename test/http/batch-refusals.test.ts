import { expect, it } from 'vitest';
import { draining } from '../../src/server/listening/server-draining.ts';
import { appOf, linesOf, order, problemIn } from './helpers.ts';

it('a batch that begins when the server is closing is refused as a whole', async () => {
  const { processor, batch } = appOf();
  draining(processor).abort();
  await problemIn(await batch(`${JSON.stringify(order)}\n`), 503, 'shut_down');
  expect(processor.stats().accepted).toBe(0);
});

it('what is `internal` in a batch comes to `onError` too', async () => {
  const bug = new Error('A bug');
  const failing = {
    name: 'work',
    run: () => {
      throw bug;
    },
  };
  const { batch, errors } = appOf({ steps: [failing] });
  const lines = await linesOf(await batch(JSON.stringify(order)));
  expect(lines).toMatchObject([{ index: 0, status: 'failed', code: 'internal' }]);
  expect(errors).toMatchObject([{ code: 'internal', cause: bug }]);
});

it('a `users` that throws in a batch is the host’s fault, not the order’s', async () => {
  const bug = new Error('A bug');
  const users = (): never => {
    throw bug;
  };
  const { batch, errors } = appOf({}, { authenticate: () => ({ users }) });
  const lines = await linesOf(await batch(JSON.stringify(order)));
  expect(lines).toMatchObject([{ index: 0, status: 'refused', code: 'internal' }]);
  expect(lines[0].message).toBe('Something went wrong');
  expect(errors).toEqual([bug]);
});

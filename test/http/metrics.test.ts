/** `GET /metrics` as Prometheus asks for it. */

import { createOrderApp } from 'order-processor/http';
import { observe } from 'order-processor/prometheus';
import { expect, it } from 'vitest';
import { Scrape } from '../prometheus/helpers.ts';
import { appOf, order, problemIn, useServers } from './helpers.ts';

const start = useServers();

it('a scrape over a socket says what has become of orders', async () => {
  const { processor } = appOf({ minBalance: 0 });
  const app = createOrderApp(processor, { metrics: observe(processor) });
  const { url } = await start(app, { processor });
  const post = (body: object): Promise<Response> =>
    fetch(`${url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=5' },
      body: JSON.stringify(body),
    });
  expect((await post(order)).status).toBe(200);
  expect((await post({ ...order, id: 'o-2', amount: -5_000 })).status).toBe(422);

  const response = await fetch(`${url}/metrics`);
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    expect.stringMatching(/^text\/plain; version=/),
  ]);
  const scrape = new Scrape(await response.text(), 'order_processor_');
  expect(scrape.metrics.get('orders_waiting')).toMatchObject({ type: 'GAUGE' });
  expect(scrape.value('orders_accepted_total')).toBe(2);
  expect(scrape.value('orders_completed_total')).toBe(1);
  expect(scrape.by('code', 'orders_failed_total')).toEqual({ insufficient_funds: 1 });
  expect(scrape.labelValues).not.toContain('u-1');
});

it('without `metrics` there are none', async () => {
  await problemIn(await appOf().get('/metrics'), 404, 'not_found');
});

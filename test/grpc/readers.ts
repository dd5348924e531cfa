import { createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, type EventsOptions, Notice, OrderService } from 'order-processor/grpc';
import { codeOf, type Json, type Running, until } from './helpers.ts';

type Client = Running['client'];

/** A reader that begins to read at once, and keeps what it reads. */
export async function reader(client: Client, request: Json = {}, processor?: OrderProcessor) {
  const controller = new AbortController();
  const events: Json[] = [];
  const ended = codeOf(
    (async () => {
      for await (const event of client.watchOrders(request, { signal: controller.signal })) {
        events.push(event);
      }
    })(),
  );
  // The head of the answer comes with the first event: so the stream is there when it is listened to.
  if (processor !== undefined) await listened(processor);
  return { events, ended, leave: () => controller.abort() };
}

/** How many listeners an event has, counted by `on` and `off`. */
const listening = new WeakMap<OrderProcessor, { count: number }>();
export function counted(processor: OrderProcessor): { count: number } {
  const known = listening.get(processor);
  if (known !== undefined) return known;
  const counter = { count: 0 };
  const on = processor.on.bind(processor);
  const off = processor.off.bind(processor);
  processor.on = ((...args: Parameters<typeof on>) => {
    counter.count += 1;
    return on(...args);
  }) as never;
  processor.off = ((...args: Parameters<typeof off>) => {
    counter.count -= 1;
    return off(...args);
  }) as never;
  listening.set(processor, counter);
  return counter;
}
export const listened = (processor: OrderProcessor) => until(() => counted(processor).count > 0);

export const cases = (events: Json[]): string[] =>
  events.map(({ event }) => (event.case === 'notice' ? Notice[event.value] : event.case) as string);
export const idsOf = (events: Json[]): unknown[] =>
  events.map(({ event: { value } }) => value.orderId ?? value.id);

/** The routes without a socket, and how a reader finds them. */
export function direct(events: EventsOptions = {}, options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor(options);
  const counter = counted(processor);
  const routes = createOrderRoutes(processor, { events, onError: () => {} });
  const client = createClient(OrderService, createRouterTransport(routes));
  return { processor, counter, client };
}

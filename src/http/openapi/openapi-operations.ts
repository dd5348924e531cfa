import * as z from 'zod';
import * as schemas from './schemas.ts';

/** A part of the document. */
export type Schema = Record<string, unknown>;

/** What the operations are about. */
export const tags = [
  { name: 'Orders', description: 'Handing orders in, following them, canceling them' },
  { name: 'Users', description: 'What orders have made of balances' },
  { name: 'Operation', description: 'How the service does; for its operators and their tools' },
];

export function schemaIdOf(schema: z.ZodType): string {
  return z.globalRegistry.get(schema)?.id as string;
}

function ref(schema: z.ZodType): Schema {
  return { $ref: `#/components/schemas/${schemaIdOf(schema)}` };
}

function content(type: string, schema: Schema): Schema {
  return { [type]: { schema } };
}

function reply(description: string, schema?: z.ZodType, type = 'application/json'): Schema {
  return schema === undefined
    ? { description }
    : { description, content: content(type, ref(schema)) };
}

const problem = (description: string): Schema =>
  reply(description, schemas.problem, 'application/problem+json');

/** Of any request: Node refuses some before they come to a route. */
const refused = { '4XX': problem('The request is refused: `code` says why') };
const failed = {
  ...refused,
  default: problem('The request failed: `code` says why, and `Retry-After` when to come again'),
};

/** @param io - queries become numbers, which is how they are shown; a header is shown as it is sent */
function shown(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

/** A value that is no id belongs to no order: 404. */
function path(name: string): Schema {
  return { name, in: 'path', required: true, schema: shown(schemas.name, 'input') };
}

function parametersOf(query: z.ZodObject): Schema[] {
  return Object.entries(query.shape).map(([name, field]) => {
    const schema = shown(field as z.ZodType, 'output');
    return { name, in: 'query', required: false, schema };
  });
}

function header(name: string, description: string, schema: z.ZodType): Schema {
  return { name, in: 'header', required: false, description, schema: shown(schema, 'input') };
}

/** @param security - what each operation asks for, but those that need no credentials */
export function operationsOf(hasMetrics: boolean, security: readonly Schema[]): Schema {
  const orders = { tags: ['Orders'], security };
  const users = { tags: ['Users'], security };
  const operation = { tags: ['Operation'], security };
  const open = { tags: ['Operation'], security: [] };
  return {
    '/orders': {
      post: { ...orders, ...postOrder },
      get: { ...orders, ...listOrders },
    },
    '/orders/batch': { post: { ...orders, ...postOrders } },
    '/orders/{id}': {
      parameters: [path('id'), ...parametersOf(schemas.orderQuery)],
      get: { ...orders, ...getOrder },
      delete: { ...orders, ...cancelOrder },
    },
    '/users/{userId}/balance': {
      parameters: [path('userId')],
      get: { ...users, ...getBalance },
    },
    '/stats': { get: { ...operation, ...getStats } },
    '/events': { get: { ...operation, ...getEvents } },
    ...(hasMetrics ? { '/metrics': { get: { ...operation, ...getMetrics } } } : {}),
    '/health': { get: { ...open, ...getHealth } },
    '/readyz': { get: { ...open, ...getReadiness } },
    '/livez': { get: { ...open, ...getLiveness } },
    '/openapi.json': { get: { ...open, ...getOpenApi } },
  };
}

const location = { location: { description: 'Of the order', schema: { type: 'string' } } };

const postOrder = {
  operationId: 'postOrder',
  summary: 'Hand in an order',
  description:
    'Answers when the order is accepted, durably where the storage is durable, or, with `Prefer: wait`, when it is settled. The same `id` with the same content is the same order. A client that does not act for all users has ids for each user, of up to 190 characters.',
  parameters: [
    header('Idempotency-Key', 'The id of the order', schemas.idempotencyKey),
    header('Prefer', '`wait=N`: wait up to N seconds for the outcome', schemas.preferredWait),
  ],
  requestBody: {
    required: true,
    content: content('application/json', ref(schemas.orderInput)),
  },
  responses: {
    200: { ...reply('Completed, with `Prefer: wait`', schemas.receipt), headers: location },
    202: { ...reply('Accepted', schemas.record), headers: location },
    ...failed,
  },
};

const listOrders = {
  operationId: 'listOrders',
  summary: 'A page of orders',
  description: 'The order accepted last comes first. `cursor` of a page gets the next one.',
  parameters: parametersOf(schemas.listQuery),
  responses: { 200: reply('The page', schemas.page), ...failed },
};

const postOrders = {
  operationId: 'postOrders',
  summary: 'Hand in a stream of orders',
  description:
    'A line of JSON for each order in, one for each outcome out, in the same order and no faster than the slower side.',
  requestBody: {
    required: true,
    content: content('application/x-ndjson', ref(schemas.orderInput)),
  },
  responses: {
    200: reply('The outcomes', schemas.outcomeLine, 'application/x-ndjson'),
    ...failed,
  },
};

const getOrder = {
  operationId: 'getOrder',
  summary: 'One order',
  description: 'An order of a user that the client may not act for is as good as none.',
  responses: { 200: reply('The order', schemas.record), ...failed },
};

const cancelOrder = {
  operationId: 'cancelOrder',
  summary: 'Cancel an order',
  description:
    'One that waits is canceled at once; one that is processed when its steps have ended.',
  responses: {
    200: reply('Canceled', schemas.record),
    202: reply('To be canceled when its steps have ended', schemas.record),
    ...failed,
  },
};

const getBalance = {
  operationId: 'getBalance',
  summary: 'The balance of a user',
  description: 'The sum of the orders that have completed.',
  responses: { 200: reply('The balance', schemas.balance), ...failed },
};

const getStats = {
  operationId: 'getStats',
  summary: 'What the processor does and has done',
  description: 'For operators.',
  responses: { 200: reply('The statistics', schemas.stats), ...failed },
};

const getEvents = {
  operationId: 'getEvents',
  summary: 'The life cycle of orders as Server-Sent Events',
  description:
    'Of one user, or of all, which is for operators. Payloads are not in events. A reader that is too slow gets `dropped`, and one that comes back too late `missed`.',
  parameters: [
    ...parametersOf(schemas.eventsQuery),
    header('Last-Event-ID', 'Go on after this event', z.string()),
  ],
  responses: {
    200: {
      description: 'Events, each with its name, and its data in JSON',
      content: content('text/event-stream', { type: 'string' }),
    },
    ...failed,
  },
};

const getMetrics = {
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description: 'For operators.',
  responses: {
    200: { description: 'The metrics', content: content('text/plain', { type: 'string' }) },
    ...failed,
  },
};

const getHealth = probe(
  'getHealth',
  'Whether orders are taken and settled',
  'The reasons are `shut_down`, `storage_failed` and `queue_full`.',
);
const getReadiness = probe(
  'getReadiness',
  'Whether requests should come here',
  'The reasons are `shut_down`, `storage_failed` and `recovering`.',
);
const getLiveness = {
  operationId: 'getLiveness',
  summary: 'Whether the process answers',
  description: 'Another process would mend nothing else.',
  responses: { 200: reply('Yes', schemas.health), ...refused },
};

function probe(operationId: string, summary: string, description: string): Schema {
  return {
    operationId,
    summary,
    description,
    responses: {
      200: reply('Yes', schemas.health),
      503: reply('No', schemas.health),
      ...refused,
    },
  };
}

const getOpenApi = {
  operationId: 'getOpenApi',
  summary: 'This document',
  description: 'Made of the schemas that check requests.',
  responses: {
    200: {
      description: 'OpenAPI 3.1',
      content: content('application/json', { type: 'object' }),
    },
    ...refused,
  },
};

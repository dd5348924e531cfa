import * as z from 'zod';
import type { AppSettings } from './options.ts';
import * as schemas from './schemas.ts';

type Schema = Record<string, unknown>;

/** Those that have names, so that each stands once. */
const named = [
  schemas.orderInput,
  schemas.step,
  schemas.record,
  schemas.receipt,
  schemas.page,
  schemas.outcomeLine,
  schemas.balance,
  schemas.health,
  schemas.stats,
  schemas.problem,
];

/** The routes as OpenAPI 3.1, whose schemas are the ones that check. */
export function openApi({ openapi, metrics, authenticate }: AppSettings): Schema {
  const { title = 'Orders', version = '1', payload } = openapi;
  return {
    openapi: '3.1.0',
    info: { title, version },
    paths: pathsOf(metrics !== undefined),
    components: {
      schemas: componentsOf(payload),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
    ...(authenticate === undefined ? {} : { security: [{ bearer: [] }] }),
  };
}

function componentsOf(payload: object | undefined): Schema {
  const registry = z.registry<{ id: string }>();
  for (const schema of named) registry.add(schema, { id: idOf(schema) });
  const { schemas: all } = z.toJSONSchema(registry, {
    target: 'draft-2020-12',
    uri: (id) => `#/components/schemas/${id}`,
    // What comes out may have more fields one day.
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema, path }) => {
      delete jsonSchema.id;
      if (payload !== undefined && path.at(-2) === 'properties' && path.at(-1) === 'payload') {
        Object.assign(jsonSchema, payload);
      }
    },
  });
  // Names that a part of a document has by its place.
  return Object.fromEntries(
    Object.entries(all).map(([id, { $schema: _schema, $id: _id, ...schema }]) => [id, schema]),
  );
}

function idOf(schema: z.ZodType): string {
  return z.globalRegistry.get(schema)?.id as string;
}

function ref(schema: z.ZodType): Schema {
  return { $ref: `#/components/schemas/${idOf(schema)}` };
}

function content(type: string, schema: Schema): Schema {
  return { [type]: { schema } };
}

function reply(description: string, schema?: z.ZodType, type = 'application/json'): Schema {
  return schema === undefined
    ? { description }
    : { description, content: content(type, ref(schema)) };
}

const failed = reply('A problem', schemas.problem, 'application/problem+json');

/** @param io - queries become numbers, which is how they are shown; a header is shown as it is sent */
function shown(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

/** One that is no name is that of nothing: 404. */
function path(name: string): Schema {
  return { name, in: 'path', required: true, schema: shown(schemas.name, 'input') };
}

function parametersOf(query: z.ZodObject): Schema[] {
  return Object.entries(query.shape).map(([name, field]) => {
    const schema = shown(field as z.ZodType, 'output');
    return { name, in: 'query', required: false, schema };
  });
}

const header = (name: string, description: string, schema: z.ZodType): Schema => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: shown(schema, 'input'),
});

function pathsOf(hasMetrics: boolean): Schema {
  const open = { security: [] };
  const location = { location: { description: 'Of the order', schema: { type: 'string' } } };
  return {
    '/orders': {
      post: {
        operationId: 'postOrder',
        summary: 'Hand in an order',
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
          default: failed,
        },
      },
      get: {
        operationId: 'listOrders',
        summary: 'A page of orders',
        parameters: parametersOf(schemas.listQuery),
        responses: { 200: reply('The page', schemas.page), default: failed },
      },
    },
    '/orders/batch': {
      post: {
        operationId: 'postOrders',
        summary: 'A line of JSON for each order in, one for each outcome out',
        requestBody: {
          required: true,
          content: content('application/x-ndjson', ref(schemas.orderInput)),
        },
        responses: {
          200: reply('The outcomes', schemas.outcomeLine, 'application/x-ndjson'),
          default: failed,
        },
      },
    },
    '/orders/{id}': {
      parameters: [path('id')],
      get: {
        operationId: 'getOrder',
        summary: 'One order',
        responses: { 200: reply('The order', schemas.record), default: failed },
      },
      delete: {
        operationId: 'cancelOrder',
        summary: 'Cancel an order',
        responses: {
          200: reply('Canceled', schemas.record),
          202: reply('To be canceled when its steps have ended', schemas.record),
          default: failed,
        },
      },
    },
    '/users/{userId}/balance': {
      parameters: [path('userId')],
      get: {
        operationId: 'getBalance',
        summary: 'The balance of a user',
        responses: { 200: reply('The balance', schemas.balance), default: failed },
      },
    },
    '/stats': {
      get: {
        operationId: 'getStats',
        summary: 'What the processor does and has done',
        responses: { 200: reply('The statistics', schemas.stats), default: failed },
      },
    },
    '/events': {
      get: {
        operationId: 'getEvents',
        summary: 'The life cycle of orders as Server-Sent Events',
        parameters: [
          ...parametersOf(schemas.eventsQuery),
          header('Last-Event-ID', 'Go on after this event', z.string()),
        ],
        responses: {
          200: {
            description: 'Events, each with its name, and its data in JSON',
            content: content('text/event-stream', { type: 'string' }),
          },
          default: failed,
        },
      },
    },
    ...(hasMetrics ? { '/metrics': metricsPath } : {}),
    '/health': { get: { ...probe('getHealth', 'Whether orders are taken and settled'), ...open } },
    '/readyz': { get: { ...probe('getReadiness', 'Whether requests should come here'), ...open } },
    '/livez': { get: { ...probe('getLiveness', 'Whether the process answers'), ...open } },
    '/openapi.json': {
      get: {
        operationId: 'getOpenApi',
        summary: 'This document',
        responses: {
          200: {
            description: 'OpenAPI 3.1',
            content: content('application/json', { type: 'object' }),
          },
        },
        ...open,
      },
    },
  };
}

const metricsPath = {
  get: {
    operationId: 'getMetrics',
    summary: 'Metrics for Prometheus',
    responses: {
      200: { description: 'The metrics', content: content('text/plain', { type: 'string' }) },
      default: failed,
    },
  },
};

function probe(operationId: string, summary: string): Schema {
  return {
    operationId,
    summary,
    responses: {
      200: reply('Yes', schemas.health),
      503: reply('No', schemas.health),
    },
  };
}

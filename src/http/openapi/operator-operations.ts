import * as z from 'zod';
import * as schemas from './answer-schemas.ts';
import * as inputs from './input-schemas.ts';
import { content, failed, header, parametersOf, refused, reply, type Schema } from './parts.ts';
import * as ofProcess from './process-schemas.ts';

export const getStats = {
  operationId: 'getStats',
  summary: 'What the processor does and has done',
  description: 'For operators.',
  responses: { 200: reply('The statistics', ofProcess.stats), ...failed },
};

export const getEvents = {
  operationId: 'getEvents',
  summary: 'The life cycle of orders as Server-Sent Events',
  description:
    'Of one user, or of all, which is for operators. Payloads are not in events. A reader that is too slow gets `dropped`, and one that comes back too late `missed`.',
  parameters: [
    ...parametersOf(inputs.eventsQuery),
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

export const getOutcomes = {
  operationId: 'getOutcomes',
  summary: 'All settled orders, in the order applied',
  description:
    'For operators that act for all users. The answer goes on with each order that is settled. A consumer that stores `cursor` in the transaction that deals with the outcome, and comes back with it, deals with each exactly once. A cursor whose outcomes were forgotten is 410.',
  parameters: parametersOf(inputs.outcomesQuery),
  responses: {
    200: reply('The settled orders', schemas.settledLine, 'application/x-ndjson'),
    ...failed,
  },
};

export const getMetrics = {
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description: 'For operators.',
  responses: {
    200: { description: 'The metrics', content: content('text/plain', { type: 'string' }) },
    ...failed,
  },
};

export const getHealth = probe(
  'getHealth',
  'Whether orders are taken and settled',
  'The reasons are `shut_down`, `storage_failed` and `queue_full`.',
);
export const getReadiness = probe(
  'getReadiness',
  'Whether requests should come here',
  'The reasons are `shut_down`, `storage_failed` and `recovering`.',
);
export const getLiveness = {
  operationId: 'getLiveness',
  summary: 'Whether the process answers',
  description: 'Another process would mend nothing else.',
  responses: { 200: reply('Yes', ofProcess.health), ...refused },
};

function probe(operationId: string, summary: string, description: string): Schema {
  return {
    operationId,
    summary,
    description,
    responses: {
      200: reply('Yes', ofProcess.health),
      503: reply('No', ofProcess.health),
      ...refused,
    },
  };
}

export const getOpenApi = {
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

import * as schemas from './answer-schemas.ts';
import * as inputs from './input-schemas.ts';
import { content, failed, header, parametersOf, ref, reply } from './parts.ts';

const location = { location: { description: 'Of the order', schema: { type: 'string' } } };

export const postOrder = {
  operationId: 'postOrder',
  summary: 'Hand in an order',
  description:
    'Answers when the order is accepted, durably where the storage is durable, or, with `Prefer: wait`, when it is settled. The same `id` with the same content is the same order. A client that does not act for all users has ids for each user, of up to 190 characters. Unless it may add money, the `amount` of its orders is at most 0 and pays for all of their postings: any other is `forbidden`.',
  parameters: [
    header('Idempotency-Key', 'The id of the order', inputs.idempotencyKey),
    header('Prefer', '`wait=N`: wait up to N seconds for the outcome', inputs.preferredWait),
  ],
  requestBody: {
    required: true,
    content: content('application/json', ref(inputs.orderInput)),
  },
  responses: {
    200: { ...reply('Completed, with `Prefer: wait`', schemas.receipt), headers: location },
    202: { ...reply('Accepted', schemas.record), headers: location },
    ...failed,
  },
};

export const listOrders = {
  operationId: 'listOrders',
  summary: 'A page of orders',
  description: 'The order accepted last comes first. `cursor` of a page gets the next one.',
  parameters: parametersOf(inputs.listQuery),
  responses: { 200: reply('The page', schemas.page), ...failed },
};

export const postOrders = {
  operationId: 'postOrders',
  summary: 'Hand in a stream of orders',
  description:
    'A line of JSON for each order in, one for each outcome out, in the same order and no faster than the slower side. Which orders a client may hand in, `POST /orders` says.',
  requestBody: {
    required: true,
    content: content('application/x-ndjson', ref(inputs.orderInput)),
  },
  responses: {
    200: reply('The outcomes', schemas.outcomeLine, 'application/x-ndjson'),
    ...failed,
  },
};

export const getOrder = {
  operationId: 'getOrder',
  summary: 'One order',
  description:
    'An order of a user that the client may not act for is as good as none. Operators read any order by the id that holds and events show.',
  responses: { 200: reply('The order', schemas.record), ...failed },
};

export const cancelOrder = {
  operationId: 'cancelOrder',
  summary: 'Cancel an order',
  description:
    'One that waits is canceled at once; one that is processed when its steps have ended. A failed order that holds its lane is canceled for operators alone.',
  responses: {
    200: reply('Canceled', schemas.record),
    202: reply('To be canceled when its steps have ended', schemas.record),
    ...failed,
  },
};

export const retryOrder = {
  operationId: 'retryOrder',
  summary: 'Hand in a failed order once more',
  description:
    'An order that failed or was canceled comes again under a new id, which follows from the old one: however often this is asked for, one order comes of it. Any other order is `not_failed`.',
  responses: {
    202: { ...reply('The new order', schemas.record), headers: location },
    ...failed,
  },
};

export const compensateOrder = {
  operationId: 'compensateOrder',
  summary: 'Run failed compensations once more',
  description:
    'For operators. Of an order that failed or was canceled; answers when they have ended, and `steps` says what came of each. The outcome of the order stands.',
  responses: { 200: reply('The order', schemas.record), ...failed },
};

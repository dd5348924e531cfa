import * as schemas from './answer-schemas.ts';
import * as inputs from './input-schemas.ts';
import { content, failed, parametersOf, ref, reply } from './parts.ts';

export const getBalance = {
  operationId: 'getBalance',
  summary: 'The balance of a user',
  description: 'The sum of the orders that have completed, and of the credits of others.',
  parameters: parametersOf(inputs.balanceQuery),
  responses: { 200: reply('The balance', schemas.balance), ...failed },
};

export const listMovements = {
  operationId: 'listMovements',
  summary: 'A page of the statement of a user',
  description:
    'Each change of the balance in the order applied, credits by orders of others included. `cursor` of a page gets the next one; if movements after it were forgotten meanwhile, it is 410.',
  parameters: parametersOf(inputs.movementsQuery),
  responses: { 200: reply('The page', schemas.movementPage), ...failed },
};

export const holdLane = {
  operationId: 'holdLane',
  summary: 'Hold the lane of a user',
  description:
    'For operators. None of the user’s orders begins before the lane is released; they are accepted and wait. The hold is as durable as orders are. A lane that is held already gets the new reason, if there is one.',
  requestBody: { required: true, content: content('application/json', ref(inputs.holdInput)) },
  responses: { 200: reply('The hold', schemas.hold), ...failed },
};

export const releaseLane = {
  operationId: 'releaseLane',
  summary: 'Release the lane of a user',
  description:
    'For operators. A lane that is not held, or not by `orderId`, is `not_held`. Where a failed order holds it, `action` is needed, and `orderId` makes the request safe to repeat.',
  parameters: parametersOf(inputs.releaseQuery),
  responses: { 200: reply('What held the lane', schemas.releasedLane), ...failed },
};

export const listHolds = {
  operationId: 'listHolds',
  summary: 'A page of the lanes that are held',
  description: 'For operators. `cursor` of a page gets the next one.',
  parameters: parametersOf(inputs.holdsQuery),
  responses: { 200: reply('The page', schemas.holdPage), ...failed },
};

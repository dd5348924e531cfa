import * as inputs from './input-schemas.ts';
import * as ofOperators from './operator-operations.ts';
import * as ofOrders from './order-operations.ts';
import { parametersOf, path, type Schema } from './parts.ts';
import * as ofUsers from './user-operations.ts';

/** What the operations are about. */
export const tags = [
  { name: 'Orders', description: 'Handing orders in, following them, canceling them' },
  { name: 'Users', description: 'What orders have made of balances' },
  { name: 'Operation', description: 'How the service does; for its operators and their tools' },
];

/** @param security - what each operation asks for, but those that need no credentials */
export function operationsOf(hasMetrics: boolean, security: readonly Schema[]): Schema {
  const orders = { tags: ['Orders'], security };
  const users = { tags: ['Users'], security };
  const operation = { tags: ['Operation'], security };
  const open = { tags: ['Operation'], security: [] };
  return {
    '/orders': {
      post: { ...orders, ...ofOrders.postOrder },
      get: { ...orders, ...ofOrders.listOrders },
    },
    '/orders/batch': { post: { ...orders, ...ofOrders.postOrders } },
    '/orders/{id}': {
      parameters: [path('id'), ...parametersOf(inputs.orderQuery)],
      get: { ...orders, ...ofOrders.getOrder },
      delete: { ...orders, ...ofOrders.cancelOrder },
    },
    '/orders/{id}/compensate': {
      parameters: [path('id'), ...parametersOf(inputs.orderQuery)],
      post: { ...operation, ...ofOrders.compensateOrder },
    },
    '/orders/{id}/retry': {
      parameters: [path('id'), ...parametersOf(inputs.orderQuery)],
      post: { ...orders, ...ofOrders.retryOrder },
    },
    '/users/{userId}/balance': {
      parameters: [path('userId')],
      get: { ...users, ...ofUsers.getBalance },
    },
    '/users/{userId}/movements': {
      parameters: [path('userId')],
      get: { ...users, ...ofUsers.listMovements },
    },
    '/users/{userId}/hold': {
      parameters: [path('userId')],
      post: { ...operation, ...ofUsers.holdLane },
      delete: { ...operation, ...ofUsers.releaseLane },
    },
    '/holds': { get: { ...operation, ...ofUsers.listHolds } },
    '/stats': { get: { ...operation, ...ofOperators.getStats } },
    '/events': { get: { ...operation, ...ofOperators.getEvents } },
    '/outcomes': { get: { ...operation, ...ofOperators.getOutcomes } },
    ...(hasMetrics ? { '/metrics': { get: { ...operation, ...ofOperators.getMetrics } } } : {}),
    '/health': { get: { ...open, ...ofOperators.getHealth } },
    '/readyz': { get: { ...open, ...ofOperators.getReadiness } },
    '/livez': { get: { ...open, ...ofOperators.getLiveness } },
    '/openapi.json': { get: { ...open, ...ofOperators.getOpenApi } },
  };
}

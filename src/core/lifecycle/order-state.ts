import { MoveTable } from '../collections/move-table.ts';

/**
 * The states of an order, and every move between them. `moveTo` is the only function that changes a state.
 *
 * ```text
 * checking ─▶ waiting ─▶ accepting ─▶ pending ─▶ processing ──────────▶ settling ─▶ settled ─▶ released
 *     │          │           │           │            └──▶ ending ────────▶─┘ │  ▲
 *     └──────────┴─▶ refused ◀           └── canceled, or no funds ─────────▶─┘  └─ storage failed: held, then again
 *
 * accepting ─▶ awaited ─▶ pending    where several processors share the storage, and this one is to process the order
 *                 └─────▶ settled    another one has processed it
 * ```
 *
 * | state | the order |
 * | --- | --- |
 * | `checking` | is parsed, and checked by schema and rules |
 * | `waiting` | waits for room |
 * | `accepting` | is on its way into the journal |
 * | `awaited` | is accepted; a caller waits, and another processor may be the one to process it |
 * | `scheduled` | is accepted, and its `notBefore` has not come: it is in no lane |
 * | `pending` | is accepted, and its processing has not begun |
 * | `processing` | has a worker, or its steps run |
 * | `ending` | does not complete: its steps are aborted and compensated |
 * | `settling` | is decided, and its outcome is on its way into the storage: it cannot be canceled any more |
 * | `settled` | has its outcome recorded; functions of its steps may still run, and its user is held |
 * | `released` | is settled, and none of its functions runs |
 * | `refused` | was never accepted |
 * | `joined` | was never accepted: the journal has another order with its id, and that one counts |
 * | `kept` | stays in the storage: for the next start when the processor shuts down, for its time, or for another processor |
 * | `unknown` | has no known outcome: the deadline of the shutdown passed, and the storage was silent |
 */
export type OrderState =
  | 'checking'
  | 'waiting'
  | 'accepting'
  | 'awaited'
  | 'scheduled'
  | 'pending'
  | 'processing'
  | 'ending'
  | 'settling'
  | 'settled'
  | 'released'
  | 'refused'
  | 'joined'
  | 'kept'
  | 'unknown';

/** The states to which an order can move from each state. */
export const moves: Readonly<Record<OrderState, readonly OrderState[]>> = {
  // `awaited`: it takes the place of one that is forgotten, or is asked for.
  checking: ['waiting', 'accepting', 'awaited', 'scheduled', 'pending', 'refused', 'joined'],
  waiting: ['accepting', 'scheduled', 'pending', 'refused', 'joined'],
  accepting: ['awaited', 'scheduled', 'pending', 'refused', 'joined', 'kept', 'unknown'],
  awaited: ['scheduled', 'pending', 'settled', 'kept', 'unknown'],
  // `settling`: it is canceled. `kept`: the storage gives it when its time comes.
  scheduled: ['pending', 'settling', 'kept', 'unknown'],
  // `accepting`: its settlement was to accept it, and a pause prevents that. `refused`: the storage fails, and does not
  // keep the order.
  pending: ['processing', 'accepting', 'settling', 'refused', 'kept', 'unknown'],
  processing: ['ending', 'settling', 'kept', 'unknown'],
  // `pending`: it holds its lane, at its head.
  ending: ['pending', 'settling', 'kept', 'unknown'],
  // `processing`: the storage was asked before the steps. `ending`: it refused the amount after them.
  // `pending`, `joined` and `refused`: it is accepted by its settlement, and the storage has its id already.
  settling: [
    ...['settled', 'processing', 'ending', 'pending', 'scheduled'],
    ...['joined', 'refused', 'kept', 'unknown'],
  ] as OrderState[],
  settled: ['released'],
  released: [],
  refused: [],
  joined: [],
  kept: ['released'],
  unknown: ['released'],
};

/** The state of an order. */
interface Stateful {
  readonly state: OrderState;
}

/** The states that most orders come to are first. */
function numberOf(state: OrderState): number {
  switch (state) {
    case 'checking':
      return 0;
    case 'pending':
      return 1;
    case 'processing':
      return 2;
    case 'settling':
      return 3;
    case 'settled':
      return 4;
    case 'accepting':
      return 5;
    case 'ending':
      return 6;
    case 'released':
      return 7;
    case 'waiting':
      return 8;
    case 'awaited':
      return 9;
    case 'scheduled':
      return 10;
    case 'refused':
      return 11;
    case 'joined':
      return 12;
    case 'kept':
      return 13;
    default:
      return 14;
  }
}

const table = new MoveTable(moves, numberOf);

/**
 * Moves an order to another state.
 *
 * @throws Error for a move that the table does not have: that is a fault of the library
 */
export function moveTo(order: Stateful, state: OrderState): void {
  if (!table.allows(order.state, state)) {
    throw new Error(`An order cannot move from \`${order.state}\` to \`${state}\``);
  }
  (order as { state: OrderState }).state = state;
}

/** Whether an order has ended for the processor. */
export function isOver({ state }: Stateful): boolean {
  switch (state) {
    case 'settled':
    case 'released':
    case 'refused':
    case 'joined':
    case 'kept':
    case 'unknown':
      return true;
    default:
      return false;
  }
}

/** Whether the processor ended an order without an outcome of its own; its callers are notified. */
export function isLeft(order: Stateful): boolean {
  return isOver(order) && order.state !== 'settled' && order.state !== 'released';
}

/** Whether the processing of an order has begun, and its outcome is not recorded. */
export function isBegun({ state }: Stateful): boolean {
  return state === 'processing' || state === 'ending' || state === 'settling';
}

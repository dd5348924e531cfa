import { MoveTable } from '../../collections/move-table.ts';

/**
 * Where the execution of a step, or of its compensation, is.
 *
 * ```text
 *            ┌────────────────┬── due ◀── paused ◀─┐
 *            ▼                ▼                    │
 * idle ─▶ queued ─────────▶ running ───────────────┴─▶ over
 *   │        │                ├───▶ abandoned ─────────▶│
 *   │        │                └───▶ remembering ─▶ due ─▶│
 *   └────────┴───────────────────────────────────────▶──┘
 * ```
 *
 * | state | the execution |
 * | --- | --- |
 * | `idle` | has not started |
 * | `queued` | waits for a permit of its step, see `concurrency` |
 * | `running` | has called its function, which has not ended |
 * | `abandoned` | the same, but its signal has aborted, and the function's result does not count |
 * | `paused` | waits before its next attempt |
 * | `remembering` | has finished, and waits until the storage has what it returned |
 * | `due` | waits for a worker to make its next attempt, or for what follows from its result |
 * | `over` | has ended, and none of its functions runs |
 */
export type ExecutionState =
  | 'idle'
  | 'queued'
  | 'running'
  | 'abandoned'
  | 'paused'
  | 'remembering'
  | 'due'
  | 'over';

/** The states to which an execution can move from each state. */
export const executionMoves: Readonly<Record<ExecutionState, readonly ExecutionState[]>> = {
  idle: ['running', 'queued', 'over'],
  queued: ['running', 'over'],
  running: ['over', 'abandoned', 'paused', 'remembering'],
  abandoned: ['over'],
  paused: ['due', 'over'],
  remembering: ['due', 'over'],
  due: ['running', 'queued', 'over'],
  over: [],
};

function numberOf(state: ExecutionState): number {
  switch (state) {
    case 'idle':
      return 0;
    case 'running':
      return 1;
    case 'over':
      return 2;
    case 'queued':
      return 3;
    case 'abandoned':
      return 4;
    case 'paused':
      return 5;
    case 'remembering':
      return 6;
    default:
      return 7;
  }
}

const table = new MoveTable(executionMoves, numberOf);

/** What has such a state. */
interface Stateful {
  readonly state: ExecutionState;
}

/**
 * Moves an execution to another state; nothing else changes a state.
 *
 * @throws Error for a move that the table does not have: that is a fault of the library
 */
export function moveExecution(execution: Stateful, state: ExecutionState): void {
  if (!table.allows(execution.state, state)) {
    throw new Error(`A step cannot move from \`${execution.state}\` to \`${state}\``);
  }
  (execution as { state: ExecutionState }).state = state;
}

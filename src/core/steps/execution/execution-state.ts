/**
 * Where the execution of a step, or of its compensation, is.
 *
 * ```text
 *            ┌────────────────┬── due ◀── paused ◀─┐
 *            ▼                ▼                    │
 * idle ─▶ queued ─────────▶ running ───────────────┴─▶ over
 *   │        │                └───▶ abandoned ─────────▶│
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
 * | `due` | waits for a worker to make its next attempt |
 * | `over` | has ended, and none of its functions runs |
 */
export type ExecutionState =
  | 'idle'
  | 'queued'
  | 'running'
  | 'abandoned'
  | 'paused'
  | 'due'
  | 'over';

/** The states to which an execution can move from each state. */
export const executionMoves: Readonly<Record<ExecutionState, readonly ExecutionState[]>> = {
  idle: ['running', 'queued', 'over'],
  queued: ['running', 'over'],
  running: ['over', 'abandoned', 'paused'],
  abandoned: ['over'],
  paused: ['due', 'over'],
  due: ['running', 'queued', 'over'],
  over: [],
};

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
  if (!executionMoves[execution.state].includes(state)) {
    throw new Error(`A step cannot move from \`${execution.state}\` to \`${state}\``);
  }
  (execution as { state: ExecutionState }).state = state;
}

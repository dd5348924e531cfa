import { MoveTable } from '../../collections/move-table.ts';

/**
 * Where the run of an order is.
 *
 * ```text
 * running ─── all finished ─────────────────▶ concluded
 * running ─── failed, timed out, canceled ──▶ ending
 * ending ──── all ended, or stalled ────────▶ compensating, or concluded where nothing is to be compensated
 * compensating ── all compensated ──────────▶ concluded, or ending where a step goes on
 * running ─── the storage is asked first ───▶ asking ── it takes the amount ─▶ running, else ending
 * concluded ─ the storage refuses the amount, or a kept order has a step that goes on ─▶ ending
 * concluded ─ a step has ended late ────────▶ compensating
 * ```
 */
export type RunPhase = 'running' | 'asking' | 'ending' | 'compensating' | 'concluded';

/** The phases to which a run can move from each phase. */
export const runMoves: Readonly<Record<RunPhase, readonly RunPhase[]>> = {
  running: ['asking', 'ending', 'concluded'],
  asking: ['running', 'ending'],
  ending: ['compensating', 'concluded'],
  compensating: ['ending', 'concluded'],
  concluded: ['ending', 'compensating'],
};

function numberOf(phase: RunPhase): number {
  switch (phase) {
    case 'running':
      return 0;
    case 'concluded':
      return 1;
    case 'asking':
      return 2;
    case 'ending':
      return 3;
    default:
      return 4;
  }
}

const table = new MoveTable(runMoves, numberOf);

interface Phased {
  readonly phase: RunPhase;
}

/**
 * Moves a run to another phase; nothing else changes a phase.
 *
 * @throws Error for a move that the table does not have: that is a fault of the library
 */
export function moveRun(run: Phased, phase: RunPhase): void {
  if (!table.allows(run.phase, phase)) {
    throw new Error(`A run cannot move from \`${run.phase}\` to \`${phase}\``);
  }
  (run as { phase: RunPhase }).phase = phase;
}

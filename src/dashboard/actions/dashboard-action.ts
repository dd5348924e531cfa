import type { Access } from '../../server/access.ts';
import type { ActionEntry, ActionFailure } from '../api.ts';

/** What a person did in a dashboard, as `onAction` gets it. */
export interface DashboardAction {
  /** Unique in this process. */
  readonly id: string;
  /** When, in Unix milliseconds. */
  readonly at: number;
  /** What. */
  readonly action: ActionEntry['action'];
  /** Who: the `client` of the access, if it has one. */
  readonly by: string | undefined;
  /** What the person may do, as `authenticate` has said it. */
  readonly access: Access;
  /** With `release`: what became of the failed orders that held the lanes. */
  readonly release: 'retry' | 'skip' | undefined;
  /** With `hold`: why. */
  readonly reason: string | undefined;
  /** The ids of the orders, or of the users with `hold` and `release`; empty with `pause` and `resume`. */
  readonly targetIds: readonly string[];
  /** For which of them it failed, and why; for the others it is done. */
  readonly failures: readonly ActionFailure[];
}

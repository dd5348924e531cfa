import type { StepResult } from '../../core/order/step-result.ts';
import type { RetriedOrder, StoredHold } from '../../core/storage/holds/hold.ts';
import type { OwnerRequest } from '../../core/storage/requests/owner-requests.ts';
import type { Life } from '../members/life.ts';
import type { Membership } from '../members/membership.ts';
import { requirementOf } from '../sessions/errors.ts';
import type { Statement, Value } from '../sessions/session.ts';
import {
  amendStatement,
  holdStatement,
  releaseRetriedStatement,
  releaseStatement,
} from '../statements/fenced-writes.ts';
import { answerStatement, beginStatement } from '../statements/requests.ts';
import { toKept } from '../values/kept-text.ts';
import { partitionOf } from '../values/partition.ts';

/** What a fenced write answers, see {@link FencedWrite}. */
type Written = Promise<'lost' | undefined>;

/** Writes of one user that the owner of the user's partition makes, beside settlements. */
export class FencedWrites {
  readonly #members: Membership;
  readonly #partitions: number;

  constructor(members: Membership, partitions: number) {
    this.#members = members;
    this.#partitions = partitions;
  }

  hold({ userId, heldAt, ...hold }: StoredHold): Written {
    return this.#write(holdStatement, userId, [toKept(userId), heldAt, JSON.stringify(hold)]);
  }

  release(userId: string, retried?: RetriedOrder): Written {
    const user = toKept(userId);
    if (retried === undefined) return this.#write(releaseStatement, userId, [user]);
    const { orderId, compensations } = retried;
    const values = [user, toKept(orderId), JSON.stringify(compensations)];
    return this.#write(releaseRetriedStatement, userId, values);
  }

  begin({ id, userId }: OwnerRequest): Written {
    return this.#write(beginStatement, userId, [id]);
  }

  answer({ id, userId }: OwnerRequest, answer: string): Written {
    const { control } = this.#members.channels;
    return this.#write(answerStatement, userId, [id, answer, control]);
  }

  async amend(id: string, steps: readonly StepResult[]): Written {
    const { life } = this.#members;
    const json = steps.length === 0 ? null : JSON.stringify(steps);
    return written(life, amendStatement, [toKept(id), json]);
  }

  /** What is lost here is lost for orders of the partition too. */
  async #write(statement: Statement, userId: string, values: readonly Value[]): Written {
    const { life } = this.#members;
    const part = partitionOf(toKept(userId), this.#partitions);
    const result = await written(life, statement, [part, ...values]);
    if (result === 'lost') this.#members.lost(life, [part]);
    return result;
  }
}

/** On the session of settlements: what is sent there before a partition is handed over is done before. */
async function written(
  { number, settle, token }: Life,
  statement: Statement,
  values: readonly Value[],
): Written {
  try {
    await settle.alone(() => settle.query(statement, [number, token, ...values]));
    return undefined;
  } catch (error) {
    if (requirementOf(error) !== 'lost') throw error;
    return 'lost';
  }
}

import type { FinalMoney } from '../../order/decision.ts';
import type { ExecutionFacts } from '../execution/execution-facts.ts';

/** What an attempt has said is to be settled. */
interface Said {
  readonly execution: ExecutionFacts;
  readonly attempt: number;
  readonly money: FinalMoney;
}

/** What the attempts of an order's steps have said is to be settled; the last one counts that has finished. */
export class FinalAmount {
  #said: readonly Said[] = [];

  set(execution: ExecutionFacts, money: FinalMoney): void {
    const others = this.#said.filter((each) => each.execution !== execution);
    this.#said = [...others, { execution, attempt: execution.attempts, money }];
  }

  /** What an execution that has just finished has said, if anything. */
  of(execution: ExecutionFacts): FinalMoney | undefined {
    const { attempts } = execution;
    return this.#said.find((each) => each.execution === execution && each.attempt === attempts)
      ?.money;
  }

  /** `undefined` if what was ordered is settled. */
  get(): FinalMoney | undefined {
    const isFinal = ({ execution, attempt }: Said): boolean =>
      execution.isFinished && execution.attempts === attempt;
    return this.#said.findLast(isFinal)?.money;
  }
}

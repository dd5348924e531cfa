import type { ExecutionFacts } from '../execution/execution-facts.ts';

/** What an attempt has said is to be settled. */
interface SaidAmount {
  readonly execution: ExecutionFacts;
  readonly attempt: number;
  readonly amount: number;
}

/** What the attempts of an order's steps have said is to be settled; the last one counts that has finished. */
export class FinalAmount {
  #said: readonly SaidAmount[] = [];

  set(execution: ExecutionFacts, amount: number): void {
    const others = this.#said.filter((each) => each.execution !== execution);
    this.#said = [...others, { execution, attempt: execution.attempts, amount }];
  }

  /** What an execution that has just finished has said, if anything. */
  of(execution: ExecutionFacts): number | undefined {
    const { attempts } = execution;
    return this.#said.find((each) => each.execution === execution && each.attempt === attempts)
      ?.amount;
  }

  /** `undefined` if what was ordered is settled. */
  get(): number | undefined {
    const isFinal = ({ execution, attempt }: SaidAmount): boolean =>
      execution.isFinished && execution.attempts === attempt;
    return this.#said.findLast(isFinal)?.amount;
  }
}

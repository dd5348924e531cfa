import type { OrderRecord } from '../../core/order/outcome.ts';
import type { CompensationResult, StepResult } from '../../core/order/step-result.ts';
import type { RunningOrder, RunningStep } from '../../core/processing/now/running-order.ts';
import type { CompensationView, StepView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { defined } from './amounts.ts';
import { causeOf } from './order-summary.ts';

/**
 * The steps of an order for its waterfall: as they run now, or as the record has them, with the times that were observed.
 *
 * @param showCauses - whether the errors behind failed compensations are shown
 */
export function stepViews(
  sources: Sources,
  record: OrderRecord,
  running: RunningOrder | undefined,
  showCauses: boolean,
): StepView[] {
  const { observer } = sources;
  const shown = new Steps(record, observer.steps, showCauses);
  if (running === undefined) return record.steps.map((step) => shown.settled(step));
  const compensations = running.steps.filter(({ isCompensation }) => isCompensation);
  return running.steps
    .filter(({ isCompensation }) => !isCompensation)
    .map((step) => {
      const compensation = compensations.find(({ name }) => name === step.name);
      return shown.running(step, compensation, running.progress);
    });
}

class Steps {
  readonly #record: OrderRecord;
  readonly #observed: Sources['observer']['steps'];
  readonly #showCauses: boolean;
  /** Where the next step is drawn whose times are not known. */
  #at: number;

  constructor(record: OrderRecord, observed: Sources['observer']['steps'], showCauses: boolean) {
    this.#record = record;
    this.#observed = observed;
    this.#showCauses = showCauses;
    this.#at = record.startedAt ?? record.acceptedAt;
  }

  running(
    step: RunningStep,
    compensation: RunningStep | undefined,
    progress: RunningOrder['progress'],
  ): StepView {
    const { name, state, startedAt, endedAt, attempts, result } = step;
    const said = progress?.step === name && !progress.isCompensation ? progress : undefined;
    const status = state === 'ended' ? (result?.status ?? 'canceled') : state;
    const undo = result?.compensation;
    return defined({
      ...{ name, status, startedAt, endedAt, isObserved: true, attempts },
      durationMs: endedAt === undefined ? undefined : endedAt - (startedAt as number),
      retries: this.#retriesOf(name, false, startedAt),
      code: result?.code,
      progress: state === 'ended' ? undefined : said && progressOf(said),
      compensation:
        compensation === undefined
          ? undefined
          : this.#compensation(name, compensation.startedAt, compensation.endedAt, undo, {
              attempts: compensation.attempts,
            }),
    }) as StepView;
  }

  settled(step: StepResult): StepView {
    const { name, status, durationMs, attempts, code, compensation: undo } = step;
    const observed = this.#observed.of(this.#record.id, name, false)?.endedAt;
    const isSkipped = status === 'skipped' && attempts === 0;
    const startedAt = observed === undefined ? this.#at : observed - durationMs;
    const endedAt = startedAt + durationMs;
    if (!isSkipped) this.#at = Math.max(this.#at, endedAt);
    const undoneAt = this.#observed.of(this.#record.id, name, true)?.endedAt;
    return defined({
      ...{ name, status, attempts, code, isObserved: observed !== undefined },
      startedAt: isSkipped ? undefined : startedAt,
      endedAt: isSkipped ? undefined : endedAt,
      durationMs: isSkipped ? undefined : durationMs,
      retries: this.#retriesOf(name, false, startedAt),
      compensation:
        undo &&
        this.#compensation(name, undoneAt && undoneAt - undo.durationMs, undoneAt, undo, undo),
    }) as StepView;
  }

  #compensation(
    name: string,
    startedAt: number | undefined,
    endedAt: number | undefined,
    result: CompensationResult | undefined,
    { attempts }: { readonly attempts: number },
  ): CompensationView {
    const { status = 'running', durationMs, code, message, cause } = result ?? {};
    return defined({
      ...{ status, startedAt, endedAt, durationMs, attempts },
      retries: this.#retriesOf(name, true, startedAt),
      ...{ code, message, cause: this.#showCauses ? causeOf(cause) : undefined },
    }) as CompensationView;
  }

  /** None is before the beginning, which is of another clock. */
  #retriesOf(step: string, isCompensation: boolean, startedAt = 0): StepView['retries'] {
    const { retries = [] } = this.#observed.of(this.#record.id, step, isCompensation) ?? {};
    return retries.map((retry) => ({ ...retry, at: Math.max(retry.at, startedAt) }));
  }
}

function progressOf({
  fraction,
  label,
}: NonNullable<RunningOrder['progress']>): NonNullable<StepView['progress']> {
  return defined({ fraction, label }) as NonNullable<StepView['progress']>;
}

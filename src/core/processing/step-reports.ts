import type { Events } from '../lifecycle/events.ts';
import type { Job } from '../lifecycle/job.ts';
import { isLeft } from '../lifecycle/order-state.ts';
import type { Verdict } from '../order/decision.ts';
import { OrderError } from '../order/order-error.ts';
import type { StepProgress, StepResult } from '../order/step-result.ts';
import { escapeControls, quote } from '../runtime/thrown.ts';
import type { Retry, StepListener } from '../steps/run/run-observer.ts';

/** Raises the events of steps. */
export class StepReports implements StepListener<Job> {
  protected readonly events: Events;

  constructor(events: Events) {
    this.events = events;
  }

  inScope({ scope }: Job, work: () => void): void {
    if (scope === undefined) work();
    else scope.enter(work, undefined);
  }

  isKept(job: Job): boolean {
    return job.entry !== undefined && !isLeft(job);
  }

  abort(controller: AbortController, reason: OrderError): void {
    this.events.abort(controller, reason);
  }

  progressed(job: Job, progress: StepProgress): void {
    this.events.notify.progress?.({ ...job.facts, ...progress });
  }

  stepped(job: Job, step: StepResult): void {
    this.events.notify.stepped?.({ ...job.facts, step });
  }

  retried(job: Job, { verdict, ...retry }: Retry): void {
    const { code, message, cause } = verdict;
    this.events.notify.retried?.({ ...job.facts, ...retry, code, message, cause });
  }

  compensationFailed(job: Job, step: string, { code, message, cause }: Verdict): void {
    const text = `Step \`${step}\` could not be compensated, \`${code}\`: ${message}`;
    const error = new OrderError('compensation_failed', text, { ...job.facts, cause });
    this.events.notify.error?.(error);
    if (!this.events.isHeard('error')) warn(error.code, `Order ${quote(job.id)}: ${text}`);
  }

  predicateFailed(job: Job, step: string, cause: unknown): void {
    const message = `\`retryIf\` of step \`${step}\` threw, or answered with no boolean`;
    const error = new OrderError('internal', message, { ...job.facts, cause });
    this.events.notify.error?.(error);
  }

  stalled(job: Job, runningMs: number, steps: readonly string[]): void {
    this.events.notify.stalled?.({ ...job.facts, runningMs, steps });
    if (this.events.isHeard('stalled')) return;
    const where = steps.join(', ') || 'a question to the storage';
    warn('stalled', `Order ${quote(job.id)} holds its user after ${runningMs} ms in ${where}`);
  }
}

/** The operator must be notified even if no listener is there. */
function warn(code: string, message: string): void {
  process.emitWarning(escapeControls(message), { type: 'OrderProcessorWarning', code });
}

import type { ActionEntry, ActionName, ActionResult } from '../../../api.ts';
import { countOf } from '../../data/format/words.ts';

const verbs: Readonly<Record<ActionName, string>> = {
  cancel: 'Canceled',
  retry: 'Retried',
  compensate: 'Compensated',
  hold: 'Held',
  release: 'Released',
  pause: 'Paused',
  resume: 'Resumed',
};

const nouns: Readonly<Record<ActionName, string>> = {
  cancel: 'order',
  retry: 'order',
  compensate: 'order',
  hold: 'user',
  release: 'lane',
  pause: 'processor',
  resume: 'processor',
};

/** What was done, as a sentence: `Canceled 3 of 4 orders`. */
export function wordsOfAction({ action, targets, done, then }: ActionEntry): string {
  if (action === 'pause' || action === 'resume') return `${verbs[action]} the processor`;
  const of = done === targets ? '' : `${done} of `;
  const what = countOf(targets, nouns[action]);
  const held =
    then === undefined ? '' : `, failed orders ${then === 'retry' ? 'retried' : 'skipped'}`;
  return `${verbs[action]} ${of}${what}${held}`;
}

const mostFailures = 3;

/** Why some were not done: a line for each of the first. */
export function wordsOfFailures({ failures }: ActionResult): string[] {
  const lines = failures.slice(0, mostFailures).map(({ id, message }) => `${id}: ${message}`);
  const left = failures.length - lines.length;
  return left > 0 ? [...lines, `And ${left} more.`] : lines;
}

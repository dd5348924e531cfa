/** A whole processor in a process of its own, to be killed, stopped and cut off. Its parent says what it is to do. */
import '../../../kit/shifted-clock.ts';
import { flushCompileCache } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Hold, isOrderError, OrderProcessor, type Receipt } from '../../../../src/index.ts';
import { defaultBounds } from '../../../../src/postgres/notes/read-bounds.ts';
import { PostgresStorage } from '../../../../src/postgres/postgres-storage.ts';
import type {
  Answer,
  Asked,
  ChaosPayload,
  Request,
  Said,
  SeenHold,
  WorkerOptions,
} from '../messages.ts';
import { Consumer } from './consumer.ts';
import { diceOf } from './dice.ts';
import { RunLog } from './run-log.ts';
import { chaosSteps } from './steps.ts';

const options = JSON.parse(process.argv[2] as string) as WorkerOptions;
const say = (said: Said): void => void process.send?.(said);

// A test that has ended leaves nothing behind.
process.on('disconnect', () => process.exit());
process.on('uncaughtException', (error) => {
  say({ problem: `${options.name}: uncaught ${error.stack}` });
});

// Small pages: so a partition is read by many of them, and notes and pages meet.
Object.assign(defaultBounds, { page: 40, scan: 200, noted: 2, user: 8 });

/** A processor without room takes a page late: meanwhile more is noted than there is room for, and pages follow. */
function takeLate({ shared }: PostgresStorage): void {
  const read = shared.orders.bind(shared);
  const dice = diceOf(options.seed, `${options.name} pages`);
  shared.orders = async function* () {
    for await (const page of read()) {
      yield page;
      if (dice() < 0.5) await sleep(dice() * 400);
    }
  };
}

async function openStorage(): Promise<PostgresStorage> {
  const { url: connectionString, schema, name, beatMs, staleMs } = options;
  for (;;) {
    try {
      const more = { beatMs, staleMs, migrate: false };
      return await PostgresStorage.open({ connectionString, schema, name, ...more });
    } catch {
      // The server may be away.
      await sleep(100);
    }
  }
}

const storage = await openStorage();
takeLate(storage);
const processor = new OrderProcessor<ChaosPayload>({
  storage,
  steps: chaosSteps(options, new RunLog(options)),
  minBalance: 0,
  capacity: options.capacity,
  overflow: 'wait',
});
const consumer = new Consumer(options, processor, (problem) => say({ problem }));

/** Codes of errors that say nothing of the order's outcome. */
const withoutOutcome: readonly string[] = ['storage_failed', 'shut_down'];

function receiptAnswer({ balance, results }: Receipt<ChaosPayload>): Answer {
  const { pay } = results as { pay?: { run?: string } };
  return { status: 'completed', balance, paidBy: pay?.run };
}

/** @throws the error, if it is not the order's outcome */
function failureAnswer(error: unknown): Answer {
  if (!isOrderError(error)) throw error;
  const { outcome, code } = error;
  if (outcome === undefined || outcome === 'refused' || withoutOutcome.includes(code)) throw error;
  return { status: outcome, code };
}

function seen({ userId, reason, orderId }: Hold): SeenHold {
  return { userId, reason, orderId };
}

async function answerTo(request: Request): Promise<Answer> {
  switch (request.do) {
    case 'submit':
      return processor.submit(request.order).then(receiptAnswer, failureAnswer);
    case 'enqueue':
      await processor.enqueue(request.order);
      return { status: 'accepted' };
    case 'outcome': {
      const outcome = await processor.outcome(request.id);
      if (outcome === undefined) return { status: 'unknown' };
      return outcome.status === 'completed' ? receiptAnswer(outcome) : failureAnswer(outcome.error);
    }
    case 'cancel':
      return { status: 'canceling', isCanceled: await processor.cancel(request.id) };
    case 'retry': {
      const { id } = await processor.retry(request.id);
      return { status: 'retried', id };
    }
    case 'hold': {
      const hold = await processor.hold(request.userId, { reason: request.reason });
      return { status: 'held', hold: seen(hold) };
    }
    case 'release': {
      const { userId, action, orderId } = request;
      await processor.release(userId, action, { orderId });
      return { status: 'released' };
    }
    case 'holds': {
      const { holds } = await processor.holds({ limit: 20 });
      return { status: 'holds', holds: holds.map(seen) };
    }
    case 'consume':
      consumer.start();
      return { status: 'consuming' };
    case 'leave':
      await processor.shutdown();
      return { status: 'left' };
  }
}

/** Other code of a host may keep its event loop busy: then what has come meanwhile is handled together. */
async function blockAgainAndAgain(): Promise<void> {
  const dice = diceOf(options.seed, options.name);
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    await sleep(dice() * 3_000);
    Atomics.wait(nothing, 0, 0, dice() * (options.staleMs / 4));
  }
}

process.on('message', async ({ number, request }: Asked) => {
  try {
    say({ number, answer: await answerTo(request) });
  } catch (error) {
    const { code = 'unknown', message } = error as { code?: string; message: string };
    say({ number, code, message });
  }
  if (request.do === 'leave') process.disconnect?.();
});
// Otherwise the next worker would compile everything again: one that is killed cannot store its compiled code.
flushCompileCache();
void blockAgainAndAgain();
say({ ready: true });

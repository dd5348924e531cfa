import { systemTime } from '../core/runtime/system-time.ts';
import { errorOf, isFailure } from './failures.ts';
import type { Answer, Call, Request, WriteKind } from './thread/protocol.ts';
import { type Message, Reader } from './thread/wire.ts';

/** A call that waits for its transaction. */
interface Waiting extends PromiseWithResolvers<Reader> {
  readonly call: Call<WriteKind>;
}

/** While one is under way the next one lies ready, so that the thread need not wait for its answer to be heard. */
const mostUnderWay = 2;

/**
 * Gathers what is called while a transaction is under way: all of it shares the next one, so that a
 * slow disk costs time once for many.
 */
export class Commits {
  readonly #ask: (request: Request) => Promise<Answer>;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #isDue = false;

  /** @param ask - what to make a transaction with */
  constructor(ask: (request: Request) => Promise<Answer>) {
    this.#ask = ask;
  }

  /** Resolves with the answer when the call is committed. */
  call(kind: WriteKind, message: Message): Promise<Reader> {
    const waiting = { ...Promise.withResolvers<Reader>(), call: { kind, message } };
    this.#waiting.push(waiting);
    this.#start();
    return waiting.promise;
  }

  #start(): void {
    if (this.#isDue || this.#underWay === mostUnderWay) return;
    this.#isDue = true;
    // Whatever else is called in this breath comes along.
    systemTime.queueMicrotask(() => this.#run());
  }

  async #run(): Promise<void> {
    this.#isDue = false;
    this.#underWay += 1;
    const gathered = this.#waiting;
    this.#waiting = [];
    const calls = gathered.map(({ call }) => call);
    const tell = await this.#ask({ kind: 'commit', calls }).then(
      ({ results }) =>
        () =>
          tellAll(gathered, results),
      (error: unknown) => () => {
        for (const { reject } of gathered) reject(error);
      },
    );
    this.#underWay -= 1;
    // Before anybody hears: what they do then takes its time, and the thread would wait for it.
    if (this.#waiting.length > 0 && !this.#isDue) void this.#run();
    tell();
  }
}

function tellAll(gathered: readonly Waiting[], results: Answer['results']): void {
  for (const [index, { resolve, reject }] of gathered.entries()) {
    const result = results[index] as Answer['results'][number];
    if (isFailure(result)) reject(errorOf(result));
    else resolve(new Reader(result));
  }
}

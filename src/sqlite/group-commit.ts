import { GroupCall } from '../core/runtime/group-call.ts';
import { errorOf, isFailure } from './failures.ts';
import type { Call, WriteKind } from './thread/calls.ts';
import type { Answer, Request } from './thread/protocol.ts';
import { type Message, Reader } from './thread/wire.ts';

/** A call that waits for its transaction. */
interface Waiting extends PromiseWithResolvers<Reader> {
  readonly call: Call<WriteKind>;
}

/** While one is under way the next one lies ready: the thread does not wait until the last answer has been passed on. */
const mostUnderWay = 2;

/** Gathers what is called while a transaction is under way: all of it shares the next one. */
export class GroupCommit {
  #waiting: Waiting[] = [];
  readonly #calls: GroupCall<readonly Waiting[], Answer>;

  /** @param ask - what to make a transaction with */
  constructor(ask: (request: Request) => Promise<Answer>) {
    this.#calls = new GroupCall(
      {
        next: () => (this.#waiting.length === 0 ? undefined : this.#take()),
        call: (gathered) => ask({ kind: 'commit', calls: gathered.map(({ call }) => call) }),
        done: (gathered, { results }) => answerAll(gathered, results),
        failed: (gathered, error) => {
          for (const { reject } of gathered) reject(error);
        },
      },
      { most: mostUnderWay },
    );
  }

  /** Whether calls wait for a transaction. */
  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Resolves with the answer when the call is committed. */
  call(kind: WriteKind, message: Message): Promise<Reader> {
    const waiting = { ...Promise.withResolvers<Reader>(), call: { kind, message } };
    this.#waiting.push(waiting);
    this.#calls.flushSoon();
    return waiting.promise;
  }

  #take(): readonly Waiting[] {
    const gathered = this.#waiting;
    this.#waiting = [];
    return gathered;
  }
}

function answerAll(gathered: readonly Waiting[], results: Answer['results']): void {
  for (const [index, { resolve, reject }] of gathered.entries()) {
    const result = results[index] as Answer['results'][number];
    if (isFailure(result)) reject(errorOf(result));
    else resolve(new Reader(result));
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { BenchOrder } from '../contenders.ts';
import { perSecond } from '../loops.ts';
import type { Command } from './child.ts';
import { onServer } from './server.ts';

/** A processor in a process of its own. */
export class Member {
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Resolves when it has joined. */
  static async start(url: string): Promise<Member> {
    const child = fork(join(import.meta.dirname, 'child.ts'), [url]);
    await once(child, 'message');
    return new Member(child);
  }

  /** Says something, and waits until it is done. */
  async do(command: Command): Promise<number> {
    this.#process.send(command);
    const [{ done }] = (await once(this.#process, 'message')) as [{ done: number }];
    return done;
  }

  async end(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.send({ end: true } satisfies Command);
    await ended;
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const ended = name === 'SIGKILL' ? once(this.#process, 'exit') : undefined;
    this.#process.kill(name);
    await ended;
  }
}

/** How many orders warm each process up: that is compiled in each of them. */
const warmUp = 20_000;

/** So many processors share a load of any users: each hands in every so-manieth order. */
export function fleetOf(count: number, orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async ({ url }) => {
    const members = await Promise.all(Array.from({ length: count }, () => Member.start(url)));
    await new Promise((resolve) => setTimeout(resolve, 2_000)); // until each has its share
    const run = (some: readonly BenchOrder[]): Promise<unknown> =>
      Promise.all(
        members.map((member, at) => {
          const own = some.filter((_, index) => index % count === at);
          return member.do({ run: { orders: own, inFlight: 2_000 / count } });
        }),
      );
    const first = orders.slice(0, warmUp * count);
    await run(first.map((order) => ({ ...order, id: `first-${order.id}` })));
    const start = performance.now();
    await run(orders);
    const rate = perSecond(orders.length, start);
    for (const member of members) await member.end();
    return rate;
  });
}

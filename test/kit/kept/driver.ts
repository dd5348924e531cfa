import type { VirtualClock } from '../virtual-clock.ts';
import { promised } from './claims.ts';
import { Disk } from './disk.ts';
import { type Command, type OrderPlan, type ProcessPlan, type Scenario, users } from './plan.ts';
import { Process, type World } from './process.ts';
import { Provider } from './work.ts';

const lastProcess: ProcessPlan = {
  commands: [],
  calls: [],
  isHardToRead: false,
  capacity: 12,
  isKilled: false,
  isStrict: false,
};

/** Carries out a scenario: one process after the other over one disk. */
export class Driver {
  readonly world: World;
  readonly processes: Process[] = [];
  #orders = 0;

  constructor(scenario: Scenario, clock: VirtualClock) {
    const fresh = {
      calls: [],
      cancels: [],
      provider: new Provider(),
      mislaid: new Set<string>(),
      wrong: [],
    };
    this.world = { scenario, clock, disk: new Disk(), ...fresh };
  }

  async run(): Promise<void> {
    const { scenario } = this.world;
    for (const [at, plan] of scenario.processes.entries()) {
      const process = this.#begin(at, plan, false);
      for (const command of plan.commands) {
        if (process.isKilled) break;
        await this.#do(process, command);
      }
      if (!plan.isKilled && !process.isKilled) {
        await this.#rest(process);
        await this.#end(process, 40);
      }
      process.storage.cut();
      // Otherwise the processors of killed processes would ask their storages for ever whether they work.
      await this.world.clock.hold();
    }
    const process = this.#begin(scenario.processes.length, lastProcess, true);
    this.#askAgain(process);
    await this.#rest(process);
    const { recovered } = process.processor;
    if (recovered !== process.inherited.size) {
      this.world.wrong.push(`recovered ${recovered} of ${process.inherited.size}`);
    }
    await this.#end(process, 30_000);
    await this.#bury();
  }

  /** The processes that were killed are only cut off; shut down, they too leave nothing behind. */
  async #bury(): Promise<void> {
    const buried = this.processes.map(({ processor }) => processor.shutdown({ timeoutMs: 1 }));
    this.world.clock.release();
    await this.world.clock.advance(20_000);
    await Promise.all(buried);
  }

  #begin(at: number, plan: ProcessPlan, isLast: boolean): Process {
    const process = new Process(this.world, at, plan, isLast);
    this.processes.push(process);
    return process;
  }

  /** Given all the time in the world, everything that can be is settled. */
  async #rest(process: Process): Promise<void> {
    if (process.hasShutDown) return;
    process.resumeAll();
    await this.world.clock.runAll();
    process.look();
    process.lookAtRest();
  }

  /** The process ends as it should: everything that it handed out is answered. */
  async #end(process: Process, timeoutMs: number): Promise<void> {
    const { clock, wrong } = this.world;
    process.shutdown(timeoutMs);
    await clock.runAll();
    process.look();
    if (process.isKilled) return;
    for (const name of process.open) wrong.push(`invariant 4: never settled: ${name}`);
  }

  /** A caller that comes again gets the outcome of which it was notified. */
  #askAgain(process: Process): void {
    for (const call of [...this.world.calls]) {
      if (promised(call) === undefined) continue;
      process.outcome(call.id);
      process.submit(call.id, call.plan);
    }
  }

  async #do(process: Process, command: Command): Promise<void> {
    switch (command.do) {
      case 'submit':
        return process.submit(this.#newId(), command.order, command.abortMs);
      case 'enqueue':
        return process.enqueue(this.#newId(), command.order, command.abortMs);
      case 'submitMany': {
        const ids = command.orders.map(() => this.#newId());
        return process.submitMany(ids, command.orders);
      }
      case 'again':
        return this.#again(process, command.order, command.how, command.isOther);
      case 'cancel':
      case 'order': {
        const { calls } = this.world;
        const id = calls[command.order % calls.length]?.id;
        return id === undefined ? undefined : process[command.do](id);
      }
      case 'outcome': {
        const { calls } = this.world;
        const id = calls[command.order % calls.length]?.id;
        return id === undefined ? undefined : process.outcome(id, command.abortMs);
      }
      case 'balance':
        return process.balance(`u-${command.user}`);
      case 'pause':
      case 'resume':
        return process.processor[command.do](
          command.user === undefined ? undefined : `u-${command.user % users}`,
        );
      case 'onIdle':
        return process.onIdle();
      case 'wait':
        await this.world.clock.advance(command.ms);
        return process.look();
      case 'shutdown':
        return process.shutdown(command.timeoutMs);
    }
  }

  #again(process: Process, index: number, how: 'submit' | 'enqueue', isOther: boolean): void {
    const { calls } = this.world;
    const earlier = calls[index % calls.length];
    if (earlier === undefined) return;
    const { id, plan } = earlier;
    const again: OrderPlan = isOther ? { ...plan, amount: plan.amount + 1 } : plan;
    process[how](id, again);
  }

  #newId(): string {
    this.#orders += 1;
    return `o-${this.#orders}`;
  }
}

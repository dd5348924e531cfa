import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import { nodeOptions, until } from './kit.ts';

/** A processor in another process. */
export class Child implements AsyncDisposable {
  readonly heard: [what: string, of: string | number][] = [];
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on('message', (message) => this.heard.push(message as [string, string]));
  }

  static async start(
    server: PostgresServer,
    schema: string,
    options: Parameters<typeof nodeOptions>[2] = {},
  ): Promise<Child> {
    const args = [JSON.stringify(nodeOptions(server, schema, options))];
    const child = new Child(fork(join(import.meta.dirname, 'node-process.ts'), args));
    await child.until('caught up');
    return child;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** It settles all that it was given, as a processor that has not heard of anything since. */
  settle(): void {
    this.#process.send('settle');
  }

  async until(what: string, of?: string | number): Promise<void> {
    await until(`the other process hears: ${what} ${of ?? ''}`, () => this.has(what, of));
  }

  has(what: string, of?: string | number): boolean {
    return this.heard.some((each) => each[0] === what && (of === undefined || each[1] === of));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/** The service of examples/services/service as a process, from its start to its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** A line of its log. */
export interface Entry {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface Start {
  /** What is run, and where; the sources of the example by default. */
  readonly command?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  /** Beside PATH and HOME there is nothing else in its environment, but for a cache of compiled sources. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

const folder = join(import.meta.dirname, '../../../../examples/services/service');
const hook = pathToFileURL(join(import.meta.dirname, 'sources.ts')).href;
/** How the sources of the example are started; more options of Node may come after the first. */
export const fromSources = [process.execPath, '--import', hook, join(folder, 'index.ts')];

export class Life {
  /** All that it has written to standard output. */
  output = '';
  readonly #child: ChildProcess;
  readonly #entries: Entry[] = [];
  #errors = '';
  readonly #exit: Promise<[number | null, NodeJS.Signals | null]>;
  #heard = Promise.withResolvers<void>();

  constructor({ command = fromSources, cwd, env = {} }: Start = {}) {
    const [program = '', ...args] = command;
    const { PATH = '', HOME = '', NODE_COMPILE_CACHE } = process.env;
    // Where Node keeps what it has compiled; what is no part of this repository would only fill it.
    const cache = cwd === undefined && NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE };
    const all = {
      PATH,
      HOME,
      PORT: '0',
      GRPC_PORT: '0',
      PROBE_PORT: '0',
      DASHBOARD_PORT: '0',
      ...cache,
      ...env,
    };
    this.#child = spawn(program, args, { cwd, env: all, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exit = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.output += `${line}\n`;
      this.#entries.push(entryOf(line));
      this.#hear();
    });
    this.#child.stderr?.on('data', (text) => {
      this.#errors += text;
    });
    this.#exit.then(
      () => this.#hear(),
      () => this.#hear(),
    );
  }

  /** All that it has written to standard error, but for what Node 22 says of SQLite. */
  get errors(): string {
    return this.#errors.replace(/^\(node:\d+\) ExperimentalWarning: .*\n.*\n/gm, '');
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  #hear(): void {
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  /** Waits for a line of the log, or for one that was there before. */
  async entry(msg: string, matches: (entry: Entry) => boolean = () => true): Promise<Entry> {
    for (;;) {
      const found = this.#entries.find((entry) => entry.msg === msg && matches(entry));
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        await this.#exit;
        throw new Error(`It ended without \`${msg}\`:\n${this.output}${this.errors}`);
      }
      await this.#heard.promise;
    }
  }

  /** Where it listens, when it does. */
  async listening(): Promise<
    Readonly<Record<'url' | 'grpcUrl' | 'probeUrl' | 'dashboardUrl', string>>
  > {
    const { url, grpcUrl, probeUrl, dashboardUrl } = await this.entry('listening');
    const here = (text: unknown) => String(text).replace('0.0.0.0', '127.0.0.1');
    return {
      ...{ url: here(url), grpcUrl: here(grpcUrl) },
      ...{ probeUrl: here(probeUrl), dashboardUrl: here(dashboardUrl) },
    };
  }

  /** How it ends by itself. */
  end(): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
    return this.#exit;
  }

  /** How it ends upon a signal. */
  async signal(name: NodeJS.Signals): Promise<[number | null, NodeJS.Signals | null]> {
    this.#child.kill(name);
    return this.#exit;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** A line that is no JSON is no line of the log, and fails its reader. */
function entryOf(line: string): Entry {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return { level: 'none', msg: line };
  }
}

/** Ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

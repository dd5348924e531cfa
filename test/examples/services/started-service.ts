/** A service among the examples as a process of its own, started as a user would start it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** What came back for a request. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON, `undefined` if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: any answer of the service; each check looks at it
  readonly body: any;
  readonly ms: number;
}

export class Service {
  /** What it has printed, line by line. */
  readonly lines: string[] = [];
  url = '';
  readonly #child: ChildProcess;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(line);
    });
    child.stderr?.on('data', (chunk) => {
      this.#errors += chunk;
    });
  }

  /** Starts an example on a free port, lets it be used, and ends it with SIGTERM. */
  static async use(
    name: string,
    env: Readonly<Record<string, string>>,
    use: (service: Service) => Promise<void>,
  ): Promise<void> {
    const service = Service.#spawn(name, { PORT: '0', ...env });
    try {
      const [, url = ''] = await service.line(/^Listening on (http:\S+)$/);
      service.url = url;
      await use(service);
      if (!service.#child.killed) await service.end();
    } finally {
      service.#child.kill('SIGKILL');
    }
  }

  /** What an example says that cannot start with these variables. */
  static async refusal(name: string, env: Readonly<Record<string, string>>): Promise<string> {
    const service = Service.#spawn(name, { PORT: '0', ...env });
    const [code] = await once(service.#child, 'close', { signal: AbortSignal.timeout(10_000) });
    assert.equal(code, 1);
    return service.#errors;
  }

  static #spawn(name: string, env: Readonly<Record<string, string>>): Service {
    const program = join(import.meta.dirname, '../../../examples/run.ts');
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    const { PORT: _, ...outer } = process.env;
    const all = { ...outer, FORCE_COLOR: '0', ...env };
    return new Service(spawn(process.execPath, [program, name], { env: all, stdio: [...stdio] }));
  }

  /** Waits for a line that it prints, or has printed. */
  async line(form: RegExp): Promise<RegExpExecArray> {
    for (let patience = 1_000; patience > 0; patience -= 1) {
      for (const line of this.lines) {
        const found = form.exec(line);
        if (found !== null) return found;
      }
      // It has said all that it will say.
      assert.equal(this.#child.exitCode, null, `It ended: ${this.#errors}`);
      await sleep(10);
    }
    throw new Error(`No line like ${form} among:\n${this.lines.join('\n')}\n${this.#errors}`);
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path);
  }

  /** @param body - JSON as text as it is, anything else as JSON */
  post(path: string, body: unknown, init: RequestInit = {}): Promise<Answer> {
    return this.send('POST', path, body, init);
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<Answer> {
    const content =
      body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const headers = { 'content-type': 'application/json' };
    const startedAt = performance.now();
    const response = await fetch(`${this.url}${path}`, { method, headers, ...content, ...init });
    const text = await response.text();
    const ms = performance.now() - startedAt;
    return { status: response.status, headers: response.headers, text, body: jsonOf(text), ms };
  }

  /** Ends it as an operator does: it must end well, and have complained of nothing. */
  async end(): Promise<void> {
    const ended = once(this.#child, 'close', { signal: AbortSignal.timeout(20_000) });
    this.#child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], this.#errors);
    // Node 22 says so of SQLite, and of TypeScript.
    const warning = /^\(node:\d+\) ExperimentalWarning: .*\n(?:\(Use `node .*\n)?/gm;
    assert.equal(this.#errors.replace(warning, ''), '');
  }

  /** Ends it as no program can prepare for. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Where it listens by default; skipped if another process listens there. */
export async function checkUsualPort(
  name: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const other = createServer().listen(8080, '127.0.0.1');
  const isFree = await once(other, 'listening').then(
    () => true,
    () => false,
  );
  if (!isFree) return;
  await new Promise((resolve) => other.close(resolve));
  await Service.use(name, { ...env, PORT: '' }, async ({ url }) => {
    assert.equal(url, 'http://127.0.0.1:8080');
  });
}

/** On a busy machine everything may take longer; timers may be a little early. */
export function assertMs(actual: number, expected: number): void {
  const isNear = actual >= expected - 10 && actual < expected + 300;
  assert.ok(isNear, `It took ${actual} ms, not about ${expected} ms`);
}

/** An RFC 9457 problem. */
export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/problem+json');
  assert.equal(answer.body.status, status);
  assert.equal(answer.body.code, code);
}

/** A 503, and nothing else, says when to ask again. */
export function assertRetryAfter({ status, headers }: Answer): void {
  const after = headers.get('retry-after');
  if (status === 503) assert.match(after ?? '', /^[1-9]\d*$/);
  else assert.equal(after, null);
}

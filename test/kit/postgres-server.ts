/**
 * A PostgreSQL server of the tests' own, from npm: `npm ci` alone brings it, for root and for any other user. Needs
 * glibc 2.27 or newer.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, chmod, chown, constants, mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Identity,
  makeCluster,
  type PostgresRelease,
  programs,
  unprivileged,
} from './postgres-programs.ts';

export type { PostgresRelease };

/** How a server ends: `fast` closes sessions, `immediate` is a crash. */
export type StopMode = 'fast' | 'immediate';

export interface ServerOptions {
  readonly release?: PostgresRelease;
  /** Settings beside those of the kit. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Whether commits wait for the disk, as with users; `false` by default. */
  readonly isDurable?: boolean;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether the server answers a startup packet with a request for authentication, and not with an error. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const parameters = 'user\0postgres\0database\0postgres\0\0';
    const packet = Buffer.alloc(8 + parameters.length);
    packet.writeInt32BE(packet.length, 0);
    packet.writeInt32BE(196_608, 4);
    packet.write(parameters, 8);
    socket.on('connect', () => socket.write(packet));
    socket.on('data', ([first]) => {
      resolve(first === 'R'.charCodeAt(0));
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
  });
}

/** A file system in memory, where there is one. */
const memory = '/dev/shm';
/** Of which the largest tests use a part. */
const enoughBytes = 4 * 2 ** 30;

/** A new folder for the server's user alone. Its name tells which process uses it. */
async function newFolder(parent: string, { uid, gid }: Identity): Promise<string> {
  const folder = await mkdtemp(join(parent, `order-processor-postgres-${process.pid}-`));
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  await chmod(folder, 0o700);
  return folder;
}

async function hasMemory(): Promise<boolean> {
  try {
    await access(memory, constants.W_OK);
    for (const name of await readdir(memory)) {
      const [, pid] = /^order-processor-postgres-(\d+)-/.exec(name) ?? [];
      // A process that was killed has left it, and would use memory until the machine ends.
      if (pid === undefined || isAlive(Number(pid))) continue;
      await rm(join(memory, name), whole).catch(() => {});
    }
    const { bavail, bsize } = await statfs(memory);
    return bavail * bsize >= enoughBytes;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const whole = { recursive: true, force: true };

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folders: readonly string[];
  readonly #start: (port: number) => ChildProcess;
  #process: ChildProcess | undefined;
  #log = '';
  /** A test run that ends early leaves no server behind. */
  readonly #kill = (): void => void this.#process?.kill('SIGQUIT');

  private constructor(
    folders: readonly string[],
    port: number,
    start: (port: number) => ChildProcess,
  ) {
    this.#folders = folders;
    this.port = port;
    this.#start = start;
    process.once('exit', this.#kill);
  }

  /** Makes a cluster of databases in a folder of its own, and starts a server for it. */
  static async start(options: ServerOptions = {}): Promise<PostgresServer> {
    const { release = 18, settings = {}, isDurable = false } = options;
    const who = unprivileged();
    // Programs may not run from there, and what waits for a disk must have one.
    const home = await newFolder(tmpdir(), who);
    const folders = [home];
    if (!isDurable && (await hasMemory())) folders.push(await newFolder(memory, who));
    const bin = await programs(release, home, who);
    const data = join(folders.at(-1) as string, 'data');
    await makeCluster(bin, data, who);
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 200,
      fsync: isDurable ? 'on' : 'off',
      ...settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const env = { ...process.env, LC_ALL: 'C' };
    const stdio: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];
    const server = new PostgresServer(folders, await freePort(), (port) =>
      spawn(join(bin, 'postgres'), ['-D', data, '-c', `port=${port}`, ...args], {
        ...who,
        cwd: '/',
        stdio,
        env,
      }),
    );
    await server.restart();
    return server;
  }

  /** A database that exists already. */
  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** What the server has logged, the newest of it. */
  get log(): string {
    return this.#log;
  }

  /** Resolves when it answers again. */
  async restart(): Promise<void> {
    const server = this.#start(this.port);
    this.#process = server;
    server.stderr?.on('data', (text) => {
      this.#log = (this.#log + text).slice(-100_000);
    });
    for (let tries = 0; !(await isReady(this.port)); tries += 1) {
      if (server.exitCode !== null || tries > 3_000) throw new Error(`No server: ${this.#log}`);
      await sleep(10);
    }
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const server = this.#process;
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('immediate');
    process.off('exit', this.#kill);
    await Promise.all(this.#folders.map((folder) => rm(folder, whole)));
  }
}

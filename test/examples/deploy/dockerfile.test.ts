/**
 * The image of the service. There is no container engine where tests run, so the steps of its Dockerfile
 * are carried out in a fresh folder, and what comes of it is started as its CMD has it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../../examples/services/service/settings.ts';
import { freePorts, Life } from '../services/service/life.ts';
import {
  type Carried,
  carryOut,
  envOf,
  execOf,
  ignoring,
  lastOf,
  type Stage,
  stagesOf,
} from './dockerfile.ts';

const root = join(import.meta.dirname, '../../..');
const deploy = join(root, 'examples/deploy');
const stages = stagesOf(readFileSync(join(deploy, 'Dockerfile'), 'utf8'));
const last = stages.at(-1) as Stage;
const ignored = ignoring(join(deploy, 'Dockerfile.dockerignore'));
const command = execOf(lastOf(last, 'CMD')?.text ?? '') as string[];

type Json<T> = T & Readonly<Record<string, unknown>>;
type Versions = Readonly<Record<string, string>>;
type Manifest = Json<{
  version: string;
  dependencies: Versions;
  peerDependencies: Versions;
  devDependencies: Versions;
}>;
type Lock = {
  packages: Record<
    string,
    Json<{
      version: string;
      dev?: boolean;
      integrity?: string;
      dependencies: Versions;
      peerDependencies: Versions;
    }>
  >;
};

function json<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as T;
}

const library = json<Manifest>(root, 'package.json');
const wanted = json<Manifest>(deploy, 'image/package.json');
const lock = json<Lock>(deploy, 'image/package-lock.json');

describe('the Dockerfile', () => {
  it('builds in stages, all of them on one Node, the one that the tests run on by default', () => {
    const { version } = json<Manifest>(root, 'node_modules/node/package.json');
    expect(version).toMatch(/^24\.\d+\.\d+$/);
    expect(stages.map(({ base }) => base)).toEqual(
      stages.map(() => `node:${version}-bookworm-slim`),
    );
    expect(stages.length).toBeGreaterThan(1);
  });

  it('ends as a user that is not root, by number', () => {
    expect(lastOf(last, 'USER')?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const names = last.instructions.map(({ name }) => name);
    expect(names.lastIndexOf('USER')).toBeGreaterThan(names.lastIndexOf('RUN'));
  });

  it('starts Node itself as the first process, without npm or a shell between', () => {
    expect(command).toEqual(['node', 'index.ts']);
    expect(lastOf(last, 'STOPSIGNAL')?.text).toBe('SIGTERM');
    expect(execOf(lastOf(last, 'HEALTHCHECK')?.text ?? '')).toEqual(['node', 'healthcheck.ts']);
  });

  it('has one place to write to, which belongs to its user', () => {
    const { DATA_DIR } = envOf(last);
    expect(last.instructions.filter(({ name }) => name === 'VOLUME')).toEqual([
      { name: 'VOLUME', flags: {}, text: DATA_DIR },
    ]);
    const places = last.instructions.filter(({ flags }) => flags.chown !== undefined);
    expect(places).toEqual([
      {
        name: 'COPY',
        flags: { from: 'dependencies', chown: lastOf(last, 'USER')?.text },
        text: `${DATA_DIR} ${DATA_DIR}`,
      },
    ]);
  });

  it('exposes the ports that the service listens on, and sets nothing that it does not know', () => {
    const { NODE_ENV, ...env } = envOf(last);
    expect(NODE_ENV).toBe('production');
    const settings = readSettings({ ...env, CLIENT_TOKENS: 'client-token-0123' });
    expect(lastOf(last, 'EXPOSE')?.text).toBe(
      `${settings.PORT} ${settings.GRPC_PORT} ${settings.PROBE_PORT} ${settings.DASHBOARD_PORT}`,
    );
    expect(Object.keys(settings)).toEqual(expect.arrayContaining(Object.keys(env)));
  });

  it('has no secrets, and copies nothing that might be one', () => {
    for (const { instructions } of stages) {
      for (const { name, text } of instructions) {
        if (name !== 'CMD') expect(text).not.toMatch(/token|secret|password|credential|\.npmrc/i);
        if (name === 'COPY') expect(text).not.toMatch(/(^|\s)\.\/?\s/);
      }
    }
    for (const path of [
      '.env',
      '.npmrc',
      '.git/config',
      'examples/services/service/data/orders.db',
      'test/x.ts',
    ]) {
      expect([path, ignored(path)]).toEqual([path, true]);
    }
    expect(ignored('src/http/serve.ts')).toBe(false);
  });

  it('installs by lock files, with no scripts of strangers', () => {
    const all = stages.flatMap(({ instructions }) => instructions);
    const runs = all.filter(({ name }) => name === 'RUN').map(({ text }) => text);
    for (const text of runs) expect(text).not.toMatch(/npm (i|install|add|exec)\b|npx|curl|wget/);
    // Else the test would do on this machine what is meant for the image.
    for (const text of runs) expect(text).not.toMatch(/(^|[\s='"])\//);
    for (const text of runs.filter((each) => each.includes('npm ci'))) {
      expect(text).toContain('--ignore-scripts');
    }
    const { 'order-processor': own, ...others } = wanted.dependencies;
    expect(own).toBe('file:order-processor.tgz');
    for (const [name, range] of Object.entries(others)) {
      expect([name, range]).toEqual([name, library.devDependencies[name]]);
    }
    // `npm run lock:image` mends these.
    const { version, integrity, dependencies, peerDependencies } =
      lock.packages['node_modules/order-processor'] ?? {};
    expect({ version, dependencies, peerDependencies }).toEqual({
      version: library.version,
      dependencies: library.dependencies,
      peerDependencies: library.peerDependencies,
    });
    expect(integrity).toBeUndefined();
    expect(lock.packages['']).toMatchObject({ dependencies: wanted.dependencies });
  });
});

describe('the image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'order-service-image-'));
  let image: Carried;
  let start: { command: readonly string[]; cwd: string; env: Record<string, string> };

  beforeAll(async () => {
    const built = await carryOut(stages, root, ignored, folder);
    image = built.get(last.name) as Carried;
    const [PORT, GRPC_PORT, PROBE_PORT, DASHBOARD_PORT] = (await freePorts(4)).map(String);
    const env = { ...image.env(last), PORT, GRPC_PORT, PROBE_PORT, DASHBOARD_PORT } as Record<
      string,
      string
    >;
    // The image has this Node, wherever npm found its own.
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
    start = {
      command,
      cwd: image.at('.'),
      env: { ...env, PATH, CLIENT_TOKENS: 'client-token-0123' },
    };
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }), 60_000);

  /** Every file outside of the volume, as it is. */
  function filesOf(): string[] {
    const all = readdirSync(image.root, { recursive: true, encoding: 'utf8' });
    return all
      .filter((path) => !/^data(\/|$)/.test(path))
      .map((path) => {
        const { size, mtimeMs, mode } = lstatSync(join(image.root, path));
        return [path, size, mtimeMs, mode].join(' ');
      });
  }

  async function healthcheck(): Promise<number | null> {
    const [program = '', ...args] = execOf(lastOf(last, 'HEALTHCHECK')?.text ?? '') as string[];
    const child = spawn(program, args, { cwd: start.cwd, env: start.env, stdio: 'ignore' });
    const [code] = await once(child, 'close');
    return code;
  }

  it('has what production needs, and nothing else', () => {
    const { packages } = json<Lock>(image.at('node_modules/.package-lock.json'));
    const installed = Object.entries(packages).map(([path, { version }]) => [path, version]);
    const { '': _, ...locked } = lock.packages;
    expect(Object.values(locked).filter(({ dev }) => dev)).toEqual([]);
    expect(installed).toEqual(Object.entries(locked).map(([path, { version }]) => [path, version]));
    expect(readdirSync(image.at('.')).sort()).toEqual([
      'flow.ts',
      'healthcheck.ts',
      'index.ts',
      'logs.ts',
      'node_modules',
      'package.json',
      'service.ts',
      'settings.ts',
      'telemetry.ts',
    ]);
  });

  it('starts as its CMD has it, answers the HEALTHCHECK, writes to its volume alone, and heeds SIGTERM', async () => {
    const before = filesOf();
    expect(await healthcheck()).toBe(1);
    for (const lifes of [1, 2]) {
      using life = new Life(start);
      const { url } = await life.listening();
      expect(await healthcheck()).toBe(0);
      const headers = {
        authorization: 'Bearer client-token-0123',
        'content-type': 'application/json',
        prefer: 'wait=10',
        'idempotency-key': `o-${lifes}`,
      };
      const body = '{"userId":"u","amount":100,"payload":{"card":"c","items":["tea"]}}';
      const answer = await fetch(`${url}/orders`, { method: 'POST', headers, body });
      // The second life goes on with what the first has left in the volume.
      expect(await answer.json()).toMatchObject({ balance: 100 * lifes });
      expect(await life.signal('SIGTERM')).toEqual([0, null]);
      expect(life.errors).toBe('');
    }
    expect(await healthcheck()).toBe(1);
    expect(filesOf()).toEqual(before);
    expect(readdirSync(image.at('/data'))).toContain('orders.db');
  }, 60_000);

  it('does not start for everybody without tokens', async () => {
    const { CLIENT_TOKENS: _, ...env } = start.env;
    const life = new Life({ ...start, env });
    expect(await life.end()).toEqual([1, null]);
    expect(life.errors).toContain('Expected CLIENT_TOKENS to be set');
  });
});

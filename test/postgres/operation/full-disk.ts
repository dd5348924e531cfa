import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { canTrace } from '../../crash/strace.ts';

const calls = 'pwrite64,pwritev,pwritev2,fallocate';

/** Whether this machine lets the tests' user change what system calls of a server answer. */
export async function canFill(): Promise<boolean> {
  if (!canTrace || process.getuid?.() === 0) return canTrace;
  const scope = await readFile('/proc/sys/kernel/yama/ptrace_scope', 'utf8').catch(() => '0');
  return scope.trim() === '0';
}

/** A disk that has no room for a server: what it writes into files fails as it then does. */
export class FullDisk {
  readonly #tracer: ChildProcess;

  private constructor(tracer: ChildProcess) {
    this.#tracer = tracer;
  }

  /**
   * @param admin - a superuser's session
   * @param schema - whose tables and indexes cannot be written; without it no file can
   */
  static async fill(admin: Client, schema?: string): Promise<FullDisk> {
    const { rows } = await admin.query<{ pids: number[]; paths: string[] }>(
      `SELECT ARRAY(SELECT pid FROM pg_stat_activity UNION
          SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int) AS pids,
        ARRAY(SELECT current_setting('data_directory') || '/' || pg_relation_filepath(oid) FROM pg_class
          WHERE relnamespace = to_regnamespace($1) AND pg_relation_filepath(oid) IS NOT NULL) AS paths`,
      [schema ?? ''],
    );
    const { pids = [], paths = [] } = rows[0] ?? {};
    const args = ['-fqqq', '-o', '/dev/null', '-e', `trace=${calls}`];
    const inject = ['-e', `inject=${calls}:error=ENOSPC`, ...paths.flatMap((path) => ['-P', path])];
    const tracer = spawn('strace', [...args, ...inject, '-p', pids.join(',')], { stdio: 'ignore' });
    const disk = new FullDisk(tracer);
    for (const pid of pids) await disk.#traces(pid);
    return disk;
  }

  /** There is room again. */
  async clear(): Promise<void> {
    if (this.#tracer.exitCode !== null || this.#tracer.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#tracer.once('exit', resolve));
    this.#tracer.kill('SIGTERM');
    await ended;
  }

  async #traces(pid: number): Promise<void> {
    for (let tries = 0; tries < 1_000; tries += 1) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'TracerPid: 1');
      if (!/^TracerPid:\s+0$/m.test(status)) return;
      if (this.#tracer.exitCode !== null) break;
      await sleep(5);
    }
    throw new Error(`strace does not trace the process ${pid}`);
  }
}

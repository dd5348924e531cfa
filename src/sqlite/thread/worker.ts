import { parentPort, workerData } from 'node:worker_threads';
import { backUp } from '../database/backup-and-check.ts';
import { check } from '../database/check.ts';
import { ReadConnection } from '../database/read-connection.ts';
import { failureOf, isFailure } from '../failures.ts';
import { BEAT_MS, beat } from '../file/file-owner.ts';
import { LockedDatabase } from './locked-database.ts';
import { type Answer, contentOf, enclosed, type Request, type Task } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('This file is for a worker thread');
const task = workerData as Task;
const answer = (message: Answer): void => port.postMessage(enclosed(message));

try {
  if (task.kind === 'serve') serve(task);
  else if (task.kind === 'read') serveReads(task);
  else if (task.kind === 'check') answer({ results: [], problems: check(task) });
  else {
    backUp(task, task.to);
    answer({ results: [] });
  }
} catch (error) {
  const doing = { serve: 'open', read: 'read', check: 'check', backup: 'back up' }[task.kind];
  answer({ results: [], failure: failureOf(error, doing, task.path) });
}

function listen(take: (request: Request) => void): void {
  port?.on('message', (posted: unknown) => {
    const request = contentOf<Request>(posted);
    if (request !== undefined) take(request);
  });
}

function serve({ path, options }: Extract<Task, { kind: 'serve' }>): void {
  const database = new LockedDatabase(path, options);
  // Also while the host's event loop is held.
  beat(path);
  const beating = setInterval(() => {
    beat(path);
    database.checkLocks();
  }, BEAT_MS).unref();
  listen((request) => {
    const reply = request.kind === 'close' ? { results: [] } : database.answer(request);
    const isOver =
      request.kind === 'close' ||
      reply.results.some((result) => isFailure(result) && result.isFinal);
    if (isOver) {
      // A check would open the closed file again.
      clearInterval(beating);
      // Before the answer, so that its caller finds the file closed.
      database.close();
    }
    answer(reply);
    if (isOver) port?.close();
  });
  answer({ results: [], opened: database.opened, sizes: database.sizes() });
}

function serveReads({ life, ...source }: Extract<Task, { kind: 'read' }>): void {
  const connection = new ReadConnection(source, life);
  listen((request) => {
    const results = request.kind === 'query' ? [connection.query(request.call)] : [];
    const isOver =
      request.kind === 'close' || results.some((result) => isFailure(result) && result.isFinal);
    if (isOver) connection.close();
    answer({ results });
    if (isOver) port?.close();
  });
  answer({ results: [] });
}

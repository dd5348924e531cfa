import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CallSize, GroupCall } from '../../../src/core/runtime/group-call.ts';
import { type Deferred, deferred } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

/** What 60 ms have been of the event loop and of the processor's cores, in milliseconds. */
const loads = {
  idle: { active: 0, cpu: 0 },
  busy: { active: 60, cpu: 60 },
  starved: { active: 60, cpu: 20 },
} as const;

function sizeWhen(load: keyof typeof loads): CallSize {
  const { active, cpu } = loads[load];
  const utilization = { active, idle: 60 - active, utilization: active / 60 };
  vi.spyOn(performance, 'eventLoopUtilization').mockReturnValue(utilization);
  vi.spyOn(process, 'cpuUsage').mockReturnValue({ user: cpu * 1_000, system: 0 });
  const size = new CallSize();
  size.next(0, 1_000);
  return size;
}

describe('how many entries go into a call', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('all, while the event loop waits for the storage', () => {
    const size = sizeWhen('idle');
    expect([200, 1, 700].map((gathered) => size.next(gathered, 1_000))).toEqual([200, 1, 700]);
  });

  it('all, while the event loop waits for a core that other processes have', () => {
    const size = sizeWhen('starved');
    expect([200, 1, 700].map((gathered) => size.next(gathered, 1_000))).toEqual([200, 1, 700]);
  });

  it('half of those that are under way, where the event loop has more to do', () => {
    const size = sizeWhen('busy');
    // One came first and alone, the others meanwhile; soon both halves take turns.
    expect([1, 255, 128, 128].map((gathered) => size.next(gathered, 1_000))).toEqual([
      1, 128, 128, 128,
    ]);
  });

  it.each(['idle', 'busy'] as const)('invariant 6: at most 1 024 (%s)', (load) => {
    expect(sizeWhen(load).next(9_000, 1_000)).toBe(1_024);
  });
});

describe('a group call', () => {
  const clock = useVirtualClock();

  /** A callee whose calls the test answers; `log` has what happened, in order. */
  function callee(options: { most?: number; stalledAfterMs?: number } = {}) {
    const log: string[] = [];
    const answers: Deferred<string>[] = [];
    let gathered: string[] = [];
    let how: (group: string) => string | Promise<string> = () => {
      const answer = deferred<string>();
      answers.push(answer);
      return answer.promise;
    };
    let onDone = (_group: string): void => {};
    const calls = new GroupCall<string, string>(
      {
        next() {
          const group = gathered.join('');
          gathered = [];
          return group || undefined;
        },
        call(group) {
          log.push(`call ${group}`);
          return how(group);
        },
        answered: (group) => void log.push(`answered ${group}`),
        done(group, answer) {
          log.push(`done ${group} ${answer}`);
          onDone(group);
        },
        failed: (group, cause) => void log.push(`failed ${group} ${cause}`),
        slow: (message) => void log.push(message),
      },
      options,
    );
    return {
      calls,
      log,
      add: (entry: string) => void gathered.push(entry),
      answer: (at: number) => answers[at]?.resolve('ok'),
      reject: (at: number) => answers[at]?.reject('no'),
      answerBy: (answer: typeof how) => {
        how = answer;
      },
      whenDone: (callback: typeof onDone) => {
        onDone = callback;
      },
    };
  }

  it('gathers what comes while one is under way, and begins the next before an answer is passed on', async () => {
    const { calls, log, add, answer } = callee();
    add('a');
    calls.flush();
    for (const entry of ['b', 'c']) {
      add(entry);
      calls.flush();
    }
    answer(0);
    await calls.underWay;
    expect(log).toEqual(['call a', 'answered a', 'call bc', 'done a ok']);
    answer(1);
    await calls.underWay;
    expect(log.slice(4)).toEqual(['answered bc', 'done bc ok']);
    expect(calls.underWay).toBeUndefined();
  });

  it('is over when `flush` returns, where the answer comes at once', () => {
    const { calls, log, add, answerBy } = callee();
    answerBy(() => 'ok');
    add('a');
    expect(calls.flush()).toBeUndefined();
    expect(log).toEqual(['call a', 'answered a', 'done a ok']);
  });

  it('is not made again from inside itself', () => {
    const { calls, log, add, answerBy } = callee();
    answerBy((group) => {
      if (group === 'a') {
        add('b');
        calls.flush();
      }
      return 'ok';
    });
    add('a');
    calls.flush();
    expect(log).toEqual(['call a', 'answered a', 'done a ok', 'call b', 'answered b', 'done b ok']);
  });

  it('passes answers on in the order of the calls, though a later one came at once', async () => {
    const { calls, log, add, answer, answerBy } = callee();
    add('a');
    calls.flush();
    add('b');
    answerBy(() => 'at once');
    answer(0);
    await clock.settle();
    expect(log.filter((line) => line.startsWith('done'))).toEqual(['done a ok', 'done b at once']);
  });

  it.each(['throws', 'rejects'])('goes on with the next one where it %s', async (how) => {
    const { calls, log, add, reject, answerBy } = callee();
    if (how === 'throws') {
      answerBy(() => {
        throw 'no';
      });
    }
    add('a');
    calls.flush();
    reject(0);
    await clock.settle();
    answerBy(() => 'ok');
    add('b');
    calls.flush();
    expect(log).toEqual(['call a', 'failed a no', 'call b', 'answered b', 'done b ok']);
  });

  it('begins when the present microtask is over, if that is early enough', async () => {
    const { calls, log, add } = callee();
    for (const entry of ['a', 'b']) {
      add(entry);
      calls.flushSoon();
    }
    expect(log).toEqual([]);
    await clock.settle();
    expect(log).toEqual(['call ab']);
  });

  it('has as many calls under way as it may', () => {
    const { calls, log, add } = callee({ most: 2 });
    for (const entry of ['a', 'b', 'c']) {
      add(entry);
      calls.flush();
    }
    expect(log).toEqual(['call a', 'call b']);
  });

  it('is slow as long as it is not answered in time, and not watched when it is closed', async () => {
    const { calls, log, add, answer } = callee({ stalledAfterMs: 100 });
    add('a');
    calls.flush();
    await clock.advance(100);
    expect(calls.isSlow).toBe(true);
    answer(0);
    await clock.settle();
    expect(calls.isSlow).toBe(false);
    add('b');
    calls.flush();
    calls.close();
    await clock.advance(1_000);
    expect(log.filter((line) => line.includes('100 ms'))).toEqual([
      'The storage has not answered for 100 ms',
    ]);
  });

  it.each(['at once', 'later'])(
    'is made again from inside `done`, answered %s, and passed on after it',
    async (when) => {
      const { calls, log, add, answer, answerBy, whenDone } = callee();
      whenDone((group) => {
        if (group !== 'a') return;
        answerBy(() => 'ok');
        add('b');
        calls.flush();
        log.push('end of done a');
      });
      if (when === 'at once') answerBy(() => 'ok');
      add('a');
      calls.flush();
      answer(0);
      await clock.settle();
      expect(log.filter((line) => !line.startsWith('answered'))).toEqual([
        ...['call a', 'done a ok', 'call b', 'end of done a', 'done b ok'],
      ]);
    },
  );
});

import { setTimeout as sleep } from 'node:timers/promises';
import { Member } from './fleet.ts';
import { onServer } from './server.ts';

/** More users than partitions, so that nearly each partition has one. */
const users = Array.from({ length: 200 }, (_, index) => `user-${index}`);

/** The longest wait of an order at one of two processors, in milliseconds, while something happens to the other. */
function longestWait(
  forMs: number,
  happen: (other: Member, url: string) => Promise<void>,
): Promise<number> {
  return onServer(async ({ url }) => {
    const member = await Member.start(url);
    const other = await Member.start(url);
    await sleep(2_000);
    await member.do({ probe: { users, forMs: 1_000 } });
    const [longest] = await Promise.all([
      member.do({ probe: { users, forMs } }),
      sleep(500).then(() => happen(other, url)),
    ]);
    await member.end();
    return longest;
  });
}

export const killed = (): Promise<number> => longestWait(3_000, (other) => other.signal('SIGKILL'));

export const frozen = (): Promise<number> =>
  longestWait(9_000, async (other) => {
    await other.signal('SIGSTOP');
    await sleep(8_000);
    await other.signal('SIGKILL');
  });

/** Beyond the longest wait when nothing happens. */
export const nothing = (): Promise<number> =>
  longestWait(3_000, async (other) => {
    await sleep(2_500);
    await other.signal('SIGKILL');
  });

export const joined = (): Promise<number> =>
  longestWait(4_000, async (other, url) => {
    const third = await Member.start(url);
    await sleep(2_000);
    await third.end();
    await other.end();
  });

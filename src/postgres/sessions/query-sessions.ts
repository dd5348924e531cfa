import { endInTime } from './end-in-time.ts';
import type { Session } from './session.ts';

/**
 * Sessions for what a host asks, opened when it asks first. They are not those by which the processor hears of orders:
 * however long a list takes, no order waits for it.
 */
export class QuerySessions {
  readonly #open: (onEnd: () => void) => Promise<Session>;
  #session: Promise<Session> | undefined;
  #isClosed = false;

  /** @param open - opens a session; `onEnd` is called when it has ended by itself */
  constructor(open: (onEnd: () => void) => Promise<Session>) {
    this.#open = open;
  }

  /**
   * Asks something short that may come again. Where the session has ended, another one is asked: a firewall or the server
   * may end one that is idle.
   *
   * @throws (rejects) Error if the database cannot be reached, or after `close`
   */
  async ask<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#get();
    try {
      return await work(session);
    } catch (error) {
      if (this.#isClosed || (await isAlive(session))) throw error;
      session.destroy();
      return work(await this.#get());
    }
  }

  #get(): Promise<Session> {
    if (this.#isClosed) return Promise.reject(new Error('The storage is closed'));
    if (this.#session !== undefined) return this.#session;
    const forget = (): void => {
      if (this.#session === opening) this.#session = undefined;
    };
    const opening = this.#open(forget);
    this.#session = opening;
    opening.catch(forget);
    return opening;
  }

  /** Does something long with a session of its own. */
  async alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new Error('The storage is closed');
    const session = await this.#open(() => {});
    try {
      await session.query('SET statement_timeout = 0');
      return await work(session);
    } finally {
      await session.end();
    }
  }

  /** Ends the session for short questions when they are answered, or the server does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const session = this.#session?.catch(() => undefined);
    if (session === undefined) return;
    await endInTime(session.then((opened) => opened?.end()));
    // One that is being opened still ends as well.
    void session.then((opened) => opened?.destroy());
  }
}

async function isAlive(session: Session): Promise<boolean> {
  return session.query('SELECT 1').then(
    () => true,
    () => false,
  );
}

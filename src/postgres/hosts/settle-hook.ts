import type { OrderRecord } from '../../core/order/outcome.ts';
import { messageOf } from '../../core/runtime/thrown.ts';
import { settingsOf } from '../members/life.ts';
import type { Session } from '../sessions/session.ts';
import type { OnSettle } from './on-settle.ts';
import { SettlementSession } from './settlement-session.ts';

/** `onSettle` has failed. */
export class OnSettleError extends Error {
  override readonly name = 'OnSettleError';
}

/** Calls `onSettle` in the transactions of settlements. */
export class SettleHook {
  readonly #onSettle: OnSettle;
  readonly #timeoutMs: number;
  /** The host's statements are planned and find their tables as the host's own connections do. */
  readonly #toHost: string;
  /** Not `LOCAL`: what the host has set for the session does not outlast the transaction. */
  readonly #back: string;

  constructor(onSettle: OnSettle, timeoutMs: number, schema: string) {
    this.#onSettle = onSettle;
    this.#timeoutMs = timeoutMs;
    const settings = [...settingsOf('settle', schema)];
    this.#toHost = [
      ...settings.map(([name]) => `SET LOCAL ${name} TO DEFAULT`),
      `SET LOCAL statement_timeout = ${timeoutMs}`,
    ].join('; ');
    this.#back = settings.map(([name, value]) => `SET ${name} = ${value}`).join('; ');
  }

  /** @throws (rejects) OnSettleError; the transaction must be rolled back */
  async run(session: Session, outcomes: readonly OrderRecord[]): Promise<void> {
    const client = new SettlementSession(session);
    const { promise: isLate, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new Error(`It has not ended in ${this.#timeoutMs} ms`));
    }, this.#timeoutMs);
    try {
      await Promise.race([this.#call(session, client, outcomes), isLate]);
    } catch (cause) {
      const message = messageOf(cause, 'It threw no error');
      throw new OnSettleError(`\`onSettle\` failed: ${message}`, { cause });
    } finally {
      clearTimeout(timer);
      client.close();
    }
    // The commit is sent behind it, and fails if it does.
    session.query(this.#back).catch(() => {});
  }

  async #call(
    session: Session,
    client: SettlementSession,
    outcomes: readonly OrderRecord[],
  ): Promise<void> {
    const toHost = session.query(this.#toHost);
    // What is sent behind it fails too.
    toHost.catch(() => {});
    await this.#onSettle(client, outcomes);
    client.close();
    await toHost;
    await client.whenAnswered();
  }
}

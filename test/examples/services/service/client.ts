/**
 * Clients of the service that send an order again until they know what has become of it, and keep books of
 * their own: what must have become of each order is clear before it is sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { OrderErrorDetailSchema, OrderService, OrderStatus } from 'order-processor/grpc';
import { Agent, request } from 'undici';

export interface ClientOrder {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly payload: JsonValue;
}

/** `completed`, or the code with which it failed. */
export type Outcome = string;

/** Where the service is: it may have ended already, and may not answer yet. */
export interface Target {
  readonly url: string;
  readonly grpcUrl: string;
}

export interface OrderClient {
  /** Tries until there is an outcome. Rejects with every answer that no client should get. */
  deliver(order: ClientOrder): Promise<Outcome>;
  balance(userId: string): Promise<number>;
  /** How often it had to send something again. */
  readonly retries: number;
  close(): Promise<void>;
}

type Where = () => Target;

/** What a refusal says that may be tried again as it is. */
const passing: readonly (string | undefined)[] = ['shut_down', 'queue_full', 'storage_failed'];

/** Not at once: the service needs some hundred milliseconds to be there again. */
const pauseMs = 20;

export class HttpClient implements OrderClient {
  retries = 0;
  readonly #where: Where;
  readonly #headers: Record<string, string>;
  readonly #agent = new Agent({ connections: 20 });

  constructor(where: Where, token: string) {
    this.#where = where;
    this.#headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  }

  async deliver({ id, ...order }: ClientOrder): Promise<Outcome> {
    const body = JSON.stringify(order);
    for (;;) {
      const headers = { 'idempotency-key': id, prefer: 'wait=2' };
      const answer = await this.#send('POST', '/orders', headers, body);
      if (answer?.status === 200) return 'completed';
      if (answer?.status === 400) return answer.body.code;
      const isPassing = answer?.status === 503 && passing.includes(answer.body.code);
      if (answer !== undefined && answer.status !== 202 && !isPassing) {
        throw new Error(`HTTP answered ${JSON.stringify(answer)}`);
      }
      await this.#pause();
    }
  }

  async balance(userId: string): Promise<number> {
    const answer = await this.#send('GET', `/users/${userId}/balance`, {});
    return answer?.body.balance;
  }

  /** Nothing where there is no whole answer. */
  async #send(method: 'GET' | 'POST', path: string, more: object, body?: string) {
    try {
      const headers = { ...this.#headers, ...more };
      const { url } = this.#where();
      const options = { method, headers, dispatcher: this.#agent, body: body ?? null };
      const answer = await request(`${url}${path}`, options);
      // biome-ignore lint/suspicious/noExplicitAny: any answer of the service
      return { status: answer.statusCode, body: (await answer.body.json()) as any };
    } catch {
      return undefined;
    }
  }

  async #pause(): Promise<void> {
    this.retries += 1;
    await sleep(pauseMs);
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

export class GrpcClient implements OrderClient {
  retries = 0;
  readonly #where: Where;
  readonly #headers: Record<string, string>;
  #current: { readonly url: string; readonly client: Client<typeof OrderService> } | undefined;

  constructor(where: Where, token: string) {
    this.#where = where;
    this.#headers = { authorization: `Bearer ${token}` };
  }

  async deliver({ amount, payload, ...rest }: ClientOrder): Promise<Outcome> {
    const order = { ...rest, amount: BigInt(amount), payload: fromJson(ValueSchema, payload) };
    // Both ways of handing in, the same way for the same order.
    const isQueued = rest.id.endsWith('0');
    for (;;) {
      try {
        if (!isQueued) {
          await this.#orders().submitOrder({ order }, this.#options());
          return 'completed';
        }
        const outcome = await this.#follow(order);
        if (outcome !== undefined) return outcome;
      } catch (thrown) {
        const code = codeOf(thrown);
        if (code !== undefined && !passing.includes(code)) return code;
      }
      this.retries += 1;
      await sleep(pauseMs);
    }
  }

  async #follow(order: { readonly id: string; readonly amount: bigint }) {
    await this.#orders().enqueueOrder({ order }, this.#options());
    for (;;) {
      const { record } = await this.#orders().getOrder({ id: order.id }, this.#options());
      if (record?.status === OrderStatus.COMPLETED) return 'completed';
      if (record?.code !== undefined) return record.code;
      await sleep(5);
    }
  }

  async balance(userId: string): Promise<number> {
    const { balance } = await this.#orders().getBalance({ userId }, this.#options());
    return Number(balance);
  }

  #orders(): Client<typeof OrderService> {
    const { grpcUrl: url } = this.#where();
    if (this.#current?.url !== url) {
      const transport = createGrpcTransport({ baseUrl: url });
      this.#current = { url, client: createClient(OrderService, transport) };
    }
    return this.#current.client;
  }

  #options() {
    return { headers: this.#headers, timeoutMs: 10_000 };
  }

  async close(): Promise<void> {
    this.#current = undefined;
  }
}

/** The code that the service gave; nothing if the connection failed. */
function codeOf(thrown: unknown): string | undefined {
  const error = ConnectError.from(thrown);
  const [detail] = error.findDetails(OrderErrorDetailSchema);
  if (detail !== undefined) return detail.code;
  const isLost = [Code.Unavailable, Code.Internal, Code.Aborted, Code.Canceled].includes(
    error.code,
  );
  if (isLost) return undefined;
  throw thrown;
}

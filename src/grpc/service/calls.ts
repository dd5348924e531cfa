import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { type Access, everything } from '../../server/access.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { isNews } from '../../server/failure-reports.ts';
import { accessOf } from '../../server/order-access.ts';
import { traceIdOf } from '../../server/trace-headers.ts';
import { asConnectError, endOfCall, withTraceId } from '../grpc-errors.ts';
import type { ServiceSettings } from '../options.ts';

const allIds = new ClientIds(everything);

/** What all calls of the service have in common: who calls, and which error the client gets. */
export class Calls {
  readonly settings: ServiceSettings;

  constructor(settings: ServiceSettings) {
    this.settings = settings;
  }

  async answer<T>(
    context: HandlerContext,
    work: (access: Access, ids: ClientIds) => T | Promise<T>,
  ): Promise<T> {
    let ids = allIds;
    try {
      const access = await this.access(context);
      ids = new ClientIds(access);
      return await work(access, ids);
    } catch (error) {
      throw this.refuse(error, context, ids);
    }
  }

  refuse(error: unknown, context: HandlerContext, ids = allIds): Error {
    const refusal = this.#refusalOf(error, context, ids);
    return withTraceId(refusal, traceIdOf(context.requestHeader));
  }

  #refusalOf(error: unknown, { signal }: HandlerContext, ids: ClientIds): ConnectError {
    const shown = ids.error(error);
    // The deadline of a call cancels its order.
    if (signal.aborted && signal.reason instanceof ConnectError) {
      return endOfCall(signal.reason, shown);
    }
    const refusal = asConnectError(shown);
    if (refusal.code === Code.Internal && isNews(error)) this.settings.onError(error);
    return refusal;
  }

  access(context: HandlerContext): Promise<Access> {
    const { url, requestHeader: headers } = context;
    return accessOf(
      this.settings.authenticate,
      () => new Request(url, { headers, method: 'POST' }),
    );
  }
}

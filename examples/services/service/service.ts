/**
 * Orders over HTTP and gRPC on one processor, kept in a file or in a PostgreSQL that several of these services share, made
 * to be deployed: settings of the environment, structured logs, metrics, health, and an orderly end.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { OrderProcessor, type OrderStorage } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { createOrderRoutes, serveGrpc } from 'order-processor/grpc';
import {
  bearer,
  createOrderApp,
  type FetchApp,
  type OrderServer,
  serve,
} from 'order-processor/http';
import { PostgresStorage } from 'order-processor/postgres';
import { observe } from 'order-processor/prometheus';
import { SqliteStorage } from 'order-processor/sqlite';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { z } from 'zod';
import { payload, rulesOf, steps } from './flow.ts';
import { createLog, failureOf, logOrders } from './logs.ts';
import { readSettings, type Settings } from './settings.ts';

/** Resolves when it listens; ends the process if it cannot. */
export async function start(env: NodeJS.ProcessEnv): Promise<void> {
  const settings = settingsOf(env);
  const log = createLog(settings.LOG_LEVEL);
  process.on('uncaughtException', (error) => {
    log.fatal({ error: failureOf(error) }, 'uncaught');
    process.exit(1);
  });
  try {
    await listen(settings, log, env);
  } catch (error) {
    // What fails here is the storage or a port, so the message quotes no payload, and no password.
    log.fatal({ err: error }, 'could not start');
    process.exit(1);
  }
}

/** Before there is a log, and for people. */
function settingsOf(env: NodeJS.ProcessEnv): Settings {
  try {
    return readSettings(env);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}

async function listen(settings: Settings, log: Logger, env: NodeJS.ProcessEnv): Promise<void> {
  const storage = await openStorage(settings);
  const processor = new OrderProcessor({
    storage,
    schema: payload,
    rules: rulesOf(settings.MAX_AMOUNT),
    steps,
    concurrency: settings.CONCURRENCY,
    capacity: settings.CAPACITY,
    capacityPerUser: settings.CAPACITY_PER_USER,
    minBalance: settings.MIN_BALANCE,
    timeoutMs: settings.ORDER_TIMEOUT_MS,
  });
  const telemetry = await telemetryOf(processor, env);
  logOrders(processor, log, telemetry?.traceIdsOf);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = observe(processor, { registry });

  const authenticate = authenticateBy(settings);
  const messageLimitBytes = settings.BODY_LIMIT_KB * 1_024;
  const onError = (error: unknown): void => log.error({ error: failureOf(error) }, 'error');
  const app = createOrderApp(processor, {
    authenticate,
    metrics,
    onError,
    bodyLimitBytes: messageLimitBytes,
    openapi: { payload: z.toJSONSchema(payload, { io: 'input' }) },
  });
  const listening = {
    hostname: settings.HOST,
    maxConnections: settings.MAX_CONNECTIONS,
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
  };
  // It ends with the other one, which heeds the signals for both.
  const routes = createOrderRoutes(processor, { authenticate, onError, messageLimitBytes });
  const grpc = await serveGrpc(routes, {
    ...listening,
    port: settings.GRPC_PORT,
    maxCallsPerConnection: settings.MAX_CALLS_PER_CONNECTION,
    signals: [],
  });
  const probes = await serveProbes(app, settings);
  const dashboard = createDashboard(processor, {
    authenticate,
    onError,
    onAction: ({ access: _access, ...action }) => log.info({ action }, 'action'),
  });
  const operators = await serve(dashboard, {
    ...listening,
    port: settings.DASHBOARD_PORT,
    signals: [],
  });
  const http = await serve(app, {
    ...listening,
    port: settings.PORT,
    keepAliveTimeoutMs: settings.KEEP_ALIVE_MS,
    processor,
    beside: [grpc, operators],
    onClosed: async (summary) => {
      // Last, so that a probe is answered that the service ends.
      await probes.close();
      await telemetry?.close();
      log.info(
        { ...summary, storageError: summary?.storageError && failureOf(summary.storageError) },
        'closed',
      );
    },
  });
  const dashboardUrl = operators.url;
  log.info({ url: http.url, grpcUrl: grpc.url, probeUrl: probes.url, dashboardUrl }, 'listening');
  processor.ready.then(
    () => log.info({ recovered: processor.recovered }, 'ready'),
    // The processor goes on trying, and says so itself.
    () => {},
  );
}

/** Traces and metrics over OTLP, where the usual variables say where to. */
async function telemetryOf<P, I, R>(processor: OrderProcessor<P, I, R>, env: NodeJS.ProcessEnv) {
  const endpoints = ['', 'TRACES_', 'METRICS_'].map(
    (of) => env[`OTEL_EXPORTER_OTLP_${of}ENDPOINT`],
  );
  const exporters = [env.OTEL_TRACES_EXPORTER, env.OTEL_METRICS_EXPORTER];
  const isAsked = endpoints.some(Boolean) || exporters.includes('otlp');
  if (env.OTEL_SDK_DISABLED === 'true' || !isAsked) return undefined;
  const { startTelemetry } = await import('./telemetry.ts');
  return startTelemetry(processor, env);
}

/** Probes have connections of their own: readers of events may have all others for hours. */
function serveProbes(app: FetchApp, { HOST, PROBE_PORT }: Settings): Promise<OrderServer> {
  const paths = ['/livez', '/readyz', '/health'];
  const fetch = (request: Request): Response | Promise<Response> =>
    paths.includes(new URL(request.url).pathname)
      ? app.fetch(request)
      : new Response(null, { status: 404 });
  return serve(
    { fetch },
    { hostname: HOST, port: PROBE_PORT, maxConnections: 20, idleTimeoutMs: 10_000, signals: [] },
  );
}

function openStorage(settings: Settings): Promise<OrderStorage> {
  return settings.STORAGE === 'postgres' ? openDatabase(settings) : openFile(settings);
}

function openFile({
  DATA_DIR,
  DURABILITY,
  MAX_FILE_MB,
  RETAIN_DAYS,
}: Settings): Promise<OrderStorage> {
  mkdirSync(DATA_DIR, { recursive: true });
  return SqliteStorage.open(join(DATA_DIR, 'orders.db'), {
    durability: DURABILITY,
    maxBytes: MAX_FILE_MB * 1_048_576,
    // The file would grow for ever; but an id that is forgotten is a new order when it comes again.
    retain: { days: RETAIN_DAYS },
  });
}

function openDatabase({
  DATABASE_URL,
  DATABASE_SCHEMA,
  MIGRATE,
  RETAIN_DAYS,
  SHUTDOWN_TIMEOUT_MS,
}: Settings): Promise<OrderStorage> {
  return PostgresStorage.open({
    // Without a URL, `pg` reads PGHOST and its like.
    ...(DATABASE_URL === '' ? { pg: {} } : { connectionString: DATABASE_URL }),
    schema: DATABASE_SCHEMA,
    migrate: MIGRATE,
    retain: { days: RETAIN_DAYS },
    // What runs when this process ends may end, as long as the process may.
    handOverMs: SHUTDOWN_TIMEOUT_MS,
  });
}

/** A client without a token may do everything only if the settings allow it. */
function authenticateBy({ CLIENT_TOKENS, OPERATOR_TOKENS }: Settings) {
  if (CLIENT_TOKENS.length === 0) return undefined;
  const clients = CLIENT_TOKENS.map((token) => [token, { users: 'all' }] as const);
  const operators = OPERATOR_TOKENS.map(
    (token) => [token, { users: [], isOperator: true }] as const,
  );
  return bearer(Object.fromEntries([...clients, ...operators]));
}

import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor, checkOperator, isOperator } from '../../server/access.ts';
import { readerOf } from '../../server/events/reader-permits.ts';
import { checkOutcomeReader, OutcomeReaders } from '../../server/history.ts';
import { notFound } from '../../server/http-error.ts';
import { answer, json } from '../answers.ts';
import { eventsQuery, outcomesQuery } from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { outcomeFeed } from '../outcome-feed.ts';
import { query } from '../request/request.ts';
import { SseFeed } from '../sse-feed.ts';
import { forOperators, type Route, type RouteRequest } from './route.ts';

/** Of what the processor does. */
export function operatorRoutes(processor: OrderProcessor, settings: AppSettings): Route[] {
  const events = new SseFeed(processor, settings.events);
  const outcomes = new OutcomeReaders(processor, settings.events);
  return [
    ['GET', '/stats', forOperators(() => json(processor.stats()))],
    ['GET', '/metrics', forOperators(() => getMetrics(settings))],
    ['GET', '/events', (of) => getEvents(events, of)],
    ['GET', '/outcomes', (of) => getOutcomes(outcomes, settings, of)],
  ];
}

async function getMetrics({ metrics }: AppSettings): Promise<Response> {
  if (metrics === undefined) throw notFound('There are no metrics');
  return answer(await metrics.metrics(), 200, { 'content-type': metrics.contentType });
}

function getEvents(feed: SseFeed, { request, access, ids }: RouteRequest): Response {
  const { userId, ...asked } = query(request, eventsQuery);
  if (userId === undefined) checkOperator(access);
  else checkMayActFor(access, userId);
  // The header counts: a browser sets it when it reconnects by itself, to the same URL.
  const lastEventId = request.headers.get('last-event-id') ?? asked.lastEventId;
  // A request for the head alone would never end a stream.
  const isHead = request.method === 'HEAD';
  const isScoped = userId !== undefined && ids.isScoped;
  const reader = readerOf(access, userId);
  const wanted = { userId, lastEventId, isScoped, isOperator: isOperator(access), reader };
  const events = isHead ? null : feed.open(wanted);
  return answer(events, 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'x-accel-buffering': 'no',
  });
}

async function getOutcomes(
  readers: OutcomeReaders,
  settings: AppSettings,
  { request, access }: RouteRequest,
): Promise<Response> {
  const { after } = query(request, outcomesQuery);
  checkOutcomeReader(access);
  // A request for the head alone would never end a stream.
  if (request.method === 'HEAD') {
    return answer(null, 200, { 'content-type': 'application/x-ndjson' });
  }
  const onError = (error: unknown): void => settings.onError(error, request);
  return outcomeFeed(readers, request, access, after, onError);
}

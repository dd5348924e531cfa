import { unixTimeAt } from '../../core/runtime/clock.ts';
import { HttpError } from '../../server/http-error.ts';
import { secure } from '../../server/listening/secure-headers.ts';
import { draining } from '../../server/listening/server-draining.ts';
import type { ActionList } from '../actions/action-list.ts';
import type { LiveTopic, PointView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { type Viewer, viewerOf } from '../viewer.ts';
import { attentionView } from '../views/attention.ts';
import { orderView } from '../views/order.ts';
import { overviewView, processorsView, statsView } from '../views/stats.ts';
import { userView } from '../views/user.ts';
import { LiveEvents } from './live-events.ts';
import { readWanted, type Wanted } from './live-query.ts';
import { type LiveSource, LiveStream } from './live-stream.ts';

const turnMs = 250;
/** After so many turns it is asked whether a page may still see what it shows. */
const authenticateTurns = 240;
/** Views of one user or order are made for about a thirtieth of the time. */
const restFactor = 33;
const mostRestMs = 3_000;
const ofOne: ReadonlySet<LiveTopic> = new Set(['user', 'order']);
const ofEvents: readonly LiveTopic[] = ['events', 'user', 'order'];

/** All streams: one timer, and each view made once for all pages that show it. */
export class LiveHub implements LiveSource {
  /** Differs in each process, so that ids of an earlier process are recognized. */
  readonly epoch = crypto.randomUUID().slice(0, 8);
  readonly events: LiveEvents;
  readonly actions: ActionList;
  readonly #sources: Sources;
  readonly #streams = new Map<LiveStream, Request>();
  /** The views of this turn, as JSON. */
  readonly #views = new Map<string, Promise<string>>();
  #timer: NodeJS.Timeout | undefined;
  /** Until when no view of one user or order is made again. */
  #restsUntil = 0;
  #turns = 0;

  constructor(sources: Sources, actions: ActionList) {
    this.#sources = sources;
    this.actions = actions;
    this.events = new LiveEvents(sources.processor, (userId, orderId) => {
      for (const stream of this.#streams.keys()) stream.changed(userId, orderId);
    });
    const end = (): void => {
      for (const stream of this.#streams.keys()) stream.end('shutdown');
    };
    const { stopped } = sources.observer;
    // The signal of the server outlives a dashboard that is stopped.
    draining(sources.processor).signal.addEventListener('abort', end, { signal: stopped });
    stopped.addEventListener('abort', end);
  }

  /** @throws HttpError `bad_request`, `forbidden`, `too_many_readers` */
  open(request: Request, viewer: Viewer): Response {
    const wanted = readWanted(request, viewer);
    if (this.#streams.size >= this.#sources.settings.streams) {
      const headers = { 'retry-after': '10' };
      throw new HttpError(503, 'too_many_readers', 'There are too many pages open', { headers });
    }
    const stream = new LiveStream(this, viewer, wanted);
    const { body } = stream;
    if (this.#isOver) stream.end('shutdown');
    else {
      this.#streams.set(stream, request);
      request.signal.addEventListener('abort', () => stream.end(), { once: true });
      this.#timer ??= setInterval(() => this.#turn(), turnMs).unref();
      if (this.#wantsEvents) this.events.nextTurn();
      void stream.turn();
    }
    const type = 'text/event-stream; charset=utf-8';
    const headers = { ...secure, 'content-type': type, 'x-accel-buffering': 'no' };
    return new Response(body, { headers });
  }

  left(stream: LiveStream): void {
    this.#streams.delete(stream);
    if (!this.#wantsEvents) this.events.stop();
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#views.clear();
  }

  report(stream: LiveStream, error: unknown): void {
    const request = this.#streams.get(stream);
    if (request !== undefined) this.#sources.settings.onError(error, request);
  }

  failed(stream: LiveStream, error: unknown): void {
    this.report(stream, error);
    stream.end();
  }

  /** A view as JSON, made once in a turn for all pages that see the same. */
  view(topic: LiveTopic, viewer: Viewer, wanted: Wanted): Promise<string> {
    const key = keyOf(topic, viewer, wanted);
    let view = this.#views.get(key);
    if (view === undefined) {
      view = this.#timed(topic, () => this.#make(topic, viewer, wanted));
      this.#views.set(key, view);
    }
    return view;
  }

  get isResting(): boolean {
    return performance.now() < this.#restsUntil;
  }

  get now(): number {
    return unixTimeAt(this.#sources.processor);
  }

  pointsAfter(step: number, after: number): readonly PointView[] {
    return this.#sources.observer.series.points(step, after);
  }

  lastPointAt(step: number): number {
    const hour = this.#sources.observer.series.points(step);
    return hour.at(-1)?.at ?? this.now;
  }

  get #isOver(): boolean {
    const { processor, observer } = this.#sources;
    return draining(processor).signal.aborted || observer.stopped.aborted;
  }

  get #wantsEvents(): boolean {
    for (const { wanted } of this.#streams.keys()) {
      if (ofEvents.some((topic) => wanted.topics.has(topic))) return true;
    }
    return false;
  }

  #turn(): void {
    this.#turns += 1;
    this.#views.clear();
    if (this.#wantsEvents) this.events.nextTurn();
    for (const [stream, request] of this.#streams) {
      void stream.turn();
      if (this.#turns % authenticateTurns === 0) void this.#authenticate(stream, request);
    }
  }

  /** A token may have expired, and a person's rights may have changed. */
  async #authenticate(stream: LiveStream, request: Request): Promise<void> {
    try {
      stream.viewer = await viewerOf(this.#sources.settings, request);
      readWanted(request, stream.viewer);
    } catch (error) {
      const isRefused = error instanceof HttpError && error.status < 500;
      // The page connects again, and gets the answer to that.
      if (isRefused) stream.end('unauthorized');
      else this.failed(stream, error);
    }
  }

  /** After a view of one user or order it rests for much longer than that took, so that the orders have the time. */
  async #timed(topic: LiveTopic, make: () => Promise<unknown>): Promise<string> {
    const startedAt = performance.now();
    try {
      return JSON.stringify(await make());
    } finally {
      const now = performance.now();
      const restMs = Math.min(mostRestMs, restFactor * (now - startedAt));
      if (ofOne.has(topic)) this.#restsUntil = Math.max(this.#restsUntil, now + restMs);
    }
  }

  async #make(topic: LiveTopic, viewer: Viewer, wanted: Wanted): Promise<unknown> {
    const sources = this.#sources;
    switch (topic) {
      case 'attention':
        return attentionView(sources);
      case 'overview':
        return overviewView(sources, wanted.step);
      case 'processors':
        return processorsView(sources);
      case 'user':
        return userView(sources, viewer, wanted.userId as string);
      case 'order':
        return orderView(sources, viewer, wanted.orderId as string);
      default:
        return statsView(sources);
    }
  }
}

/** What a person may see is part of it, where that makes a difference. */
function keyOf(topic: LiveTopic, viewer: Viewer, { userId, orderId, step }: Wanted): string {
  if (topic === 'overview') return `${topic} ${step}`;
  if (topic !== 'user' && topic !== 'order') return topic;
  const { sees, showPayloads, showResults, access } = viewer;
  const who = sees === 'all' ? 'all' : accessKey(access);
  return JSON.stringify([topic, userId, orderId, who, showPayloads, showResults]);
}

const keys = new WeakMap<object, string>();

/** Access objects are compared by identity: what their functions answer is not known. */
function accessKey(access: object): string {
  const known = keys.get(access);
  if (known !== undefined) return known;
  const key = crypto.randomUUID();
  keys.set(access, key);
  return key;
}

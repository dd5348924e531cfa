import type { ActionList } from '../actions/action-list.ts';
import { problemOf } from '../answers.ts';
import type { LiveMessages, LiveTopic, PointView } from '../api.ts';
import { maySee, type Viewer } from '../viewer.ts';
import type { LiveEvents } from './live-events.ts';
import { idOf, type Position, positionOf, type Wanted } from './live-query.ts';

/** In turns of the hub, of which there are four a second. */
const everySecond = 4;
const everyHalf = 2;
const everyTwoSeconds = 8;
/** When a view is made again although no event says that it has changed. */
const everyTenSeconds = 40;
const mostEvents = 200;
const heartbeatTurns = 60;
/** A reader that has taken nothing for so long has gone. */
const slowTurns = 240;
const oldestPointMs = 3_600_000;

const encoder = new TextEncoder();

/** Where a stream has its messages from. */
export interface LiveSource {
  readonly epoch: string;
  readonly events: LiveEvents;
  readonly actions: ActionList;
  /** What time it is by the clock of the processor, in Unix milliseconds. */
  readonly now: number;
  /** A view as JSON. */
  view(topic: LiveTopic, viewer: Viewer, wanted: Wanted): Promise<string>;
  /** Whether views of one user or order are to wait: they have just taken time. */
  readonly isResting: boolean;
  pointsAfter(step: number, after: number): readonly PointView[];
  lastPointAt(step: number): number;
  /** The stream has ended. */
  left(stream: LiveStream): void;
  /** A view could not be made for a reason that the page does not see. */
  report(stream: LiveStream, error: unknown): void;
  /** Code of the host has thrown: the stream is to end. */
  failed(stream: LiveStream, error: unknown): void;
}

/** The stream of one page. It has at most one piece that is not read yet, so a slow reader costs no memory. */
export class LiveStream {
  readonly wanted: Wanted;
  readonly #hub: LiveSource;
  #viewer: Viewer;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #position: Position;
  /** The last text of each topic, without its time. */
  readonly #sent = new Map<LiveTopic, string>();
  /** Views that may have changed since they were made. */
  readonly #changed = new Set<LiveTopic>(['user', 'order']);
  #isBusy = false;
  #isResting = false;
  #turns = 0;
  /** In which turn each topic was looked at last. */
  readonly #lookedAt = new Map<LiveTopic, number>();
  #silentTurns = 0;
  #fullTurns = 0;
  #hasPoints = false;
  /** How many events were left out when views of one user or order were made last. */
  #skipped: number;
  /** How many of them the page has been told of. */
  #skippedEvents: number;

  constructor(hub: LiveSource, viewer: Viewer, wanted: Wanted) {
    this.#hub = hub;
    this.#viewer = viewer;
    this.wanted = wanted;
    this.#skipped = hub.events.skipped;
    this.#skippedEvents = hub.events.skipped;
    const earlier = positionOf(hub.epoch, wanted.lastEventId);
    const { step } = wanted;
    const now = { events: hub.events.seq, actions: 0, points: 0, step };
    this.#position = earlier === undefined ? now : { ...earlier, step };
    if (earlier?.step !== step) this.#position = { ...this.#position, points: 0 };
    this.#hasPoints = hub.now - this.#position.points < oldestPointMs;
  }

  get body(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.#controller = undefined;
        this.#hub.left(this);
      },
    });
  }

  get viewer(): Viewer {
    return this.#viewer;
  }

  /** What the person may see has been asked again. */
  set viewer(viewer: Viewer) {
    this.#viewer = viewer;
  }

  /** Something happened to a user or an order. */
  changed(userId: string | undefined, orderId: string | undefined): void {
    const { wanted } = this;
    const isUser = wanted.userId !== undefined && wanted.userId === userId;
    const isOrder = wanted.orderId !== undefined && wanted.orderId === orderId;
    if (isUser || isOrder) this.#changed.add('user').add('order');
  }

  /** Sends what is new, if the page has read what was sent before. */
  async turn(): Promise<void> {
    this.#turns += 1;
    const controller = this.#controller;
    if (controller === undefined || this.#isBusy) return;
    if ((controller.desiredSize ?? 0) <= 0) {
      this.#fullTurns += 1;
      if (this.#fullTurns > slowTurns) this.end();
      return;
    }
    this.#fullTurns = 0;
    this.#isBusy = true;
    try {
      const isFirst = this.#lookedAt.size === 0;
      const text = (isFirst ? 'retry: 1000\n\n' : '') + (await this.#text());
      this.#silentTurns = text === '' ? this.#silentTurns + 1 : 0;
      if (text !== '') this.#send(text);
      else if (this.#silentTurns >= heartbeatTurns) this.#send(': \n\n');
    } catch (error) {
      this.#hub.failed(this, error);
    } finally {
      this.#isBusy = false;
    }
  }

  /** Ends the stream, and says why if there is a reason. */
  end(reason?: LiveMessages['bye']['reason']): void {
    const controller = this.#controller;
    this.#controller = undefined;
    this.#hub.left(this);
    if (controller === undefined) return;
    try {
      if (reason !== undefined) {
        controller.enqueue(encoder.encode(`event: bye\ndata: ${JSON.stringify({ reason })}\n\n`));
      }
      controller.close();
    } catch {
      // The page has gone meanwhile.
    }
  }

  #send(text: string): void {
    this.#silentTurns = 0;
    try {
      this.#controller?.enqueue(encoder.encode(text));
    } catch {
      this.end();
    }
  }

  async #text(): Promise<string> {
    const { topics } = this.wanted;
    // As of now: a view makes the next ones wait, and not the other one of this turn.
    this.#isResting = this.#hub.isResting;
    let text = '';
    for (const [topic, turns] of this.#views()) {
      if (topics.has(topic) && this.#isDue(topic, turns)) text += await this.#view(topic);
    }
    if (topics.has('overview') && this.#isDue('overview', everySecond))
      text += await this.#points();
    if (topics.has('actions')) text += this.#actions();
    if (topics.has('events')) {
      this.#lookedAt.set('events', this.#turns);
      text += this.#events();
    }
    return text;
  }

  /** Each topic that has whole views, with the turns from one to the next. */
  #views(): [LiveTopic, number][] {
    const isSaturated = this.#skipped !== this.#hub.events.skipped;
    const unchanged = isSaturated ? everyTwoSeconds : everyTenSeconds;
    const ofOne = (topic: LiveTopic): number => (this.#changed.has(topic) ? everyHalf : unchanged);
    return [
      ['stats', everySecond],
      ['attention', everySecond],
      ['processors', everyTwoSeconds],
      ['user', ofOne('user')],
      ['order', ofOne('order')],
    ];
  }

  #isDue(topic: LiveTopic, turns: number): boolean {
    const last = this.#lookedAt.get(topic);
    if (last !== undefined && this.#turns - last < turns) return false;
    const isOfOne = topic === 'user' || topic === 'order';
    if (last !== undefined && isOfOne && this.#isResting) return false;
    this.#lookedAt.set(topic, this.#turns);
    return true;
  }

  async #view(topic: LiveTopic): Promise<string> {
    if (topic === 'user' || topic === 'order') {
      this.#changed.delete(topic);
      this.#skipped = this.#hub.events.skipped;
    }
    let text: string;
    try {
      text = await this.#hub.view(topic, this.#viewer, this.wanted);
    } catch (error) {
      const { status, code, detail: message } = problemOf(error, undefined);
      const trouble = JSON.stringify({ topic, code, message });
      if (this.#sent.get(topic) === trouble) return '';
      this.#sent.set(topic, trouble);
      if (status === 500) this.#hub.report(this, error);
      return this.#message('trouble', trouble);
    }
    const content = text.replace(/^\{"now":\d+/, '');
    if (this.#sent.get(topic) === content) return '';
    this.#sent.set(topic, content);
    return this.#message(topic, text);
  }

  async #points(): Promise<string> {
    const { step } = this.wanted;
    // A clock that was set back: the page has points of the future.
    if (!this.#hasPoints || this.#position.points > this.#hub.now) {
      this.#hasPoints = true;
      const text = await this.#hub.view('overview', this.#viewer, this.wanted);
      const at = this.#hub.lastPointAt(step);
      this.#position = { ...this.#position, points: at };
      return this.#message('overview', text);
    }
    const points = this.#hub.pointsAfter(step, this.#position.points);
    const last = points.at(-1);
    if (last !== undefined) this.#position = { ...this.#position, points: last.at };
    const stats = await this.#hub.view('stats', this.#viewer, this.wanted);
    return this.#message('points', `{"stats":${stats},"points":${JSON.stringify(points)}}`);
  }

  #actions(): string {
    const { actions } = this.#hub;
    const isFirst = !this.#lookedAt.has('actions');
    this.#lookedAt.set('actions', this.#turns);
    if (!isFirst && actions.seq === this.#position.actions) return '';
    const entries = actions.after(this.#position.actions).slice(-100);
    this.#position = { ...this.#position, actions: actions.seq };
    return this.#message('actions', JSON.stringify(entries));
  }

  #events(): string {
    const { events } = this.#hub;
    if (events.seq === this.#position.events) return '';
    const { events: all, skipped } = events.after(this.#position.events, mostEvents);
    const { userId, orderId } = this.wanted;
    const wanted = all.filter((event) => {
      if (userId !== undefined && event.userId !== userId) return false;
      if (orderId !== undefined && event.orderId !== orderId) return false;
      if (event.userId === undefined) return this.#viewer.sees === 'all';
      return maySee(this.#viewer, event.userId);
    });
    const more = this.#viewer.sees === 'all' ? events.skipped - this.#skippedEvents : 0;
    this.#skippedEvents = events.skipped;
    this.#position = { ...this.#position, events: events.seq };
    if (wanted.length === 0 && more === 0) return '';
    return this.#message('events', JSON.stringify({ events: wanted, skipped: skipped + more }));
  }

  #message(name: keyof LiveMessages, data: string): string {
    return `id: ${idOf(this.#hub.epoch, this.#position)}\nevent: ${name}\ndata: ${data}\n\n`;
  }
}

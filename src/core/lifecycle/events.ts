import { EventEmitter } from 'eventemitter3';
import { OrderError } from '../order/order-error.ts';
import { isThenable } from '../runtime/awaitable.ts';
import { checkFunction, wrong } from '../runtime/checks.ts';
import { StepScope } from '../runtime/step-scope.ts';
import { escapeControls, messageOf, show } from '../runtime/thrown.ts';
import { isObserving } from './listeners/observing.ts';
import { Notifications } from './notifications.ts';
import { type EventName, eventNames, type ProcessorEvents } from './processor-events.ts';
import type { ShutdownSummary } from './shutdown-summary.ts';

type Listener = (payload: never) => unknown;
type Guard = (payload: unknown) => void;
type Calls = Readonly<Record<EventName, { listeners?: Guard | undefined }>>;
type Notifiers = { [E in EventName]: ((payload: ProcessorEvents[E]) => void) | undefined };

/** The typed emitter inside a processor. Errors of listeners are contained. */
export class Events {
  readonly #emitter = new EventEmitter();
  readonly #notifications = new Notifications();
  /** Each `on` and `once` has a guard of its own, so that `off` removes one of them. */
  readonly #guards: {
    readonly event: EventName;
    readonly listener: Listener;
    readonly guard: Guard;
  }[] = [];
  readonly #notify = Object.fromEntries(eventNames.map((name) => [name, undefined])) as Notifiers;
  /** Calls the listeners of each event as they are now. */
  readonly #calls = Object.fromEntries(eventNames.map((name) => [name, {}])) as Calls;
  /** Events with a `once` listener, which must be looked at again when they have been raised. */
  readonly #onces = new Set<EventName>();
  #hasWarned = false;
  #isOver = false;

  /**
   * Notifies the listeners of each event; `undefined` if there is none, so that no payload is built for it. A single
   * listener is called directly.
   */
  get notify(): Readonly<Notifiers> {
    return this.#notify;
  }

  /** Whether the host hears of an event now; observers do not count. */
  isHeard(event: EventName): boolean {
    if (this.#notify[event] === undefined) return false;
    return this.#guards.some((each) => each.event === event && !isObserving(each.listener));
  }

  /**
   * Raises `idle`, unless the processor is not idle any more when its listeners have their turn: then `idle` comes
   * again later.
   */
  idle(isStill: () => boolean): void {
    this.#notifications.notify((holds) => {
      const listeners = holds() ? this.#calls.idle.listeners : undefined;
      // Outside the step that has led to it, as all listeners.
      if (listeners !== undefined) StepScope.outside(listeners, undefined);
    }, isStill);
  }

  /** Aborts a signal that the host's code listens to. */
  abort(controller: AbortController, reason: OrderError): void {
    this.#notifications.notify((aborted) => aborted.abort(reason), controller);
  }

  /**
   * The processor has closed. After the `shutdown` event only refusals are raised: they answer calls that came after it.
   */
  end(summary: ShutdownSummary): void {
    this.#notify.shutdown?.(summary);
    this.#isOver = true;
    for (const name of eventNames) this.#update(name as EventName);
  }

  on(event: EventName, listener: Listener): void {
    this.#emitter.on(event, this.#guard(event, listener));
    this.#update(event);
  }

  once(event: EventName, listener: Listener): void {
    const guard = this.#guard(event, listener, true);
    this.#emitter.once(event, guard);
    this.#onces.add(event);
    this.#update(event);
  }

  off(event: EventName, listener: Listener): void {
    checkEvent(event);
    // The last one first, as an emitter of Node.js has it.
    const at = this.#guards.findLastIndex(
      (each) => each.event === event && each.listener === listener,
    );
    if (at === -1) return;
    this.#emitter.off(event, this.#guards[at]?.guard);
    this.#guards.splice(at, 1);
    this.#update(event);
  }

  #update(event: EventName): void {
    const guards = this.#emitter.listeners(event) as Guard[];
    const [first] = guards;
    const isSilent = this.#isOver && event !== 'refused';
    if (first === undefined || isSilent) this.#notify[event] = undefined;
    const each = this.#calls[event];
    if (first === undefined) each.listeners = undefined;
    // Events that were raised before the end and deferred still notify their listeners.
    if (first === undefined || isSilent) return;
    const isAlone = guards.length === 1 && !this.#onces.has(event);
    each.listeners = isAlone ? first : (payload) => this.#emit(event, payload);
    // Listeners are looked up at the call: they may have changed since the notification was deferred.
    const call = (payload: unknown): void => {
      const { listeners } = each;
      if (listeners !== undefined) StepScope.outside(listeners, payload);
    };
    this.#notify[event] = (payload: unknown) => this.#notifications.notify(call, payload);
  }

  #emit(event: EventName, payload: unknown): void {
    // Removed before the call: a listener may call `once` again.
    const hadOnces = this.#onces.delete(event);
    this.#emitter.emit(event, payload);
    if (hadOnces) this.#update(event);
  }

  #guard(event: EventName, listener: Listener, isOnce = false): Guard {
    checkEvent(event);
    checkFunction('listener', listener);
    // What a listener of `error` throws is not an event again: it would never end.
    const failed =
      event === 'error' ? (cause: unknown) => this.#warnOnce(cause) : this.#listenerFailed;
    const guard: Guard = (payload) => {
      if (isOnce) this.#forget(guard);
      try {
        const result = listener(payload as never);
        if (isThenable(result)) result.then(undefined, failed);
      } catch (cause) {
        failed(cause);
      }
    };
    this.#guards.push({ event, listener, guard });
    return guard;
  }

  #forget(guard: Guard): void {
    const at = this.#guards.findIndex((each) => each.guard === guard);
    if (at !== -1) this.#guards.splice(at, 1);
  }

  readonly #listenerFailed = (cause: unknown): void => {
    this.#notify.error?.(new OrderError('internal', 'A listener threw', { cause }));
    if (!this.isHeard('error')) this.#warnOnce(cause);
  };

  #warnOnce(cause: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning('A listener threw; listen to `error` to be notified each time', {
      type: 'OrderProcessorWarning',
      code: 'listener',
      detail: escapeControls(messageOf(cause, show(cause))),
    });
  }
}

/** @throws TypeError for an unknown event: a misspelt one would never be raised */
function checkEvent(event: unknown): void {
  if (eventNames.includes(event as EventName)) return;
  throw wrong(TypeError, 'event', `one of ${eventNames.join(', ')}`, event);
}

import type { LiveMessages, LiveTopic } from '../../api.ts';
import { readEvents } from './event-stream.ts';
import { answerTo, RequestError } from './requests.ts';
import { type Query, queryText } from './router.ts';
import { loadSession, session } from './session.ts';
import { Store } from './store.ts';

/** How the page is connected, as it is said to people. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** The page is in the background. */
  | { readonly state: 'resting' }
  /** There will be another attempt, but where it would be refused again: then without `nextAt`. */
  | {
      readonly state: 'lost';
      readonly reason: 'unreachable' | 'shutdown' | 'refused';
      readonly message: string;
      readonly nextAt?: number;
    };

export const connection = new Store<Connection>({ state: 'connecting' });

type Listener<Name extends keyof LiveMessages> = (message: LiveMessages[Name]) => void;
const listeners = new Map<keyof LiveMessages, Set<Listener<never>>>();

/** Calls a listener for each message of this name. Returns what ends it. */
export function onMessage<Name extends keyof LiveMessages>(
  name: Name,
  listener: Listener<Name>,
): () => void {
  const all = listeners.get(name) ?? new Set();
  listeners.set(name, all.add(listener));
  return () => all.delete(listener);
}

const firstPauseMs = 500;
const longestPauseMs = 15_000;
/** The server sends something every 15 seconds, if only a comment. */
const silenceMs = 40_000;

let wanted: Query | undefined;
let stream: AbortController | undefined;
let pauseMs = firstPauseMs;
let timer: ReturnType<typeof setTimeout> | undefined;
let lastId: string | undefined;

/** Says what the screen shows: another stream takes the place of the one before. */
export function watch(topics: readonly LiveTopic[], query: Query = {}): void {
  const next = { topics: topics.join(','), ...query };
  if (wanted !== undefined && queryText(wanted) === queryText(next)) return;
  wanted = next;
  lastId = undefined;
  restart();
}

/** Ends the stream, and asks for none any more. */
export function unwatch(): void {
  wanted = undefined;
  end();
}

/** Tries at once, and not after the pause. */
export function reconnect(): void {
  pauseMs = firstPauseMs;
  restart();
}

/** Begins to rest while the page is in the background. */
export function followVisibility(): void {
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) restart();
    else if (wanted !== undefined) {
      end();
      connection.set({ state: 'resting' });
    }
  });
  addEventListener('online', reconnect);
}

function end(): void {
  clearTimeout(timer);
  stream?.abort();
  stream = undefined;
}

function restart(): void {
  end();
  if (wanted === undefined || document.hidden) return;
  stream = new AbortController();
  void read(wanted, stream);
}

async function read(query: Query, own: AbortController): Promise<void> {
  const wasLost = connection.value.state === 'lost';
  if (!wasLost) connection.set({ state: 'connecting' });
  let silence: ReturnType<typeof setTimeout> | undefined;
  const onSign = (): void => {
    clearTimeout(silence);
    silence = setTimeout(() => own.abort(new Error('silence')), silenceMs);
  };
  let error: unknown;
  try {
    onSign();
    const response = await open(query, own.signal);
    // What the host allows may have changed while it was away.
    if (wasLost) await loadSession();
    pauseMs = firstPauseMs;
    connection.set({ state: 'live' });
    if (response.body === null) return;
    for await (const { name, id, data } of readEvents(response.body, onSign)) {
      lastId = id ?? lastId;
      if (dispatch(name as keyof LiveMessages, JSON.parse(data) as never) === 'end') {
        error = new RequestError('shutdown', '');
        break;
      }
    }
  } catch (thrown) {
    error = thrown;
  } finally {
    clearTimeout(silence);
  }
  if (stream === own) lose(error);
}

function open(query: Query, signal: AbortSignal): Promise<Response> {
  return answerTo(`api/live?${queryText(query)}`, {
    signal,
    headers: {
      accept: 'text/event-stream',
      ...(lastId !== undefined && { 'last-event-id': lastId }),
    },
  });
}

function dispatch(name: keyof LiveMessages, message: never): 'end' | undefined {
  for (const listener of [...(listeners.get(name) ?? [])]) listener(message);
  if (name !== 'bye') return undefined;
  const { reason } = message as LiveMessages['bye'];
  if (reason === 'shutdown') return 'end';
  // Whether the person is signed out, or sees less than before.
  void loadSession();
  return undefined;
}

function lose(error: unknown): void {
  stream = undefined;
  if (session.value.state !== 'ready') return;
  const code = error instanceof RequestError ? error.code : 'unreachable';
  const reason = code === 'shutdown' || code === 'unreachable' ? code : 'refused';
  const message = error instanceof RequestError ? error.message : 'The connection broke.';
  if (error instanceof RequestError && error.isFinal) {
    connection.set({ state: 'lost', reason, message });
    return;
  }
  const nextInMs = pauseMs * (0.8 + Math.random() * 0.4);
  pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  connection.set({ state: 'lost', reason, message, nextAt: Date.now() + nextInMs });
  timer = setTimeout(restart, nextInMs);
}

import { useEffect, useRef, useState } from 'preact/hooks';
import type { LiveEvent } from '../../api.ts';
import { formatCount } from '../data/format/words.ts';
import { onMessage } from '../data/live.ts';
import { linkTo, type Query } from '../data/router.ts';
import { Empty } from '../parts/feedback.tsx';
import { Icon } from '../parts/icons.tsx';
import { Screen } from '../parts/panel.tsx';
import { Id } from '../parts/values.tsx';
import { EventTable, type NumberedEvent } from './live/event-table.tsx';

const most = 300;

/** What happens, as it happens. */
export function LiveScreen({ query }: { readonly query: Query }) {
  const [isPaused, setPaused] = useState(false);
  const [failuresOnly, setFailuresOnly] = useState(false);
  const { events, held, skipped, clear } = useEvents(isPaused);
  const shown = failuresOnly ? events.filter(isTrouble) : events;
  return (
    <Screen
      title="Live events"
      tools={
        <>
          <button
            type="button"
            class="button"
            aria-pressed={failuresOnly}
            onClick={() => setFailuresOnly(!failuresOnly)}
          >
            Trouble only
          </button>
          <button type="button" class="button" onClick={clear}>
            Clear
          </button>
          <button type="button" class="button primary" onClick={() => setPaused(!isPaused)}>
            <Icon name={isPaused ? 'play' : 'pause'} />
            {isPaused ? 'Go on' : 'Pause'}
          </button>
        </>
      }
    >
      <Only query={query} />
      {isPaused && (
        <div class="banner warn" role="status">
          <Icon name="pause" />
          <p>
            Paused: {formatCount(held)} more since then. The processor is not paused, this list is.
          </p>
        </div>
      )}
      <div class="panel">
        {shown.length === 0 ? (
          <Empty icon="live" title="Waiting for events">
            Nothing has happened since this screen was opened. Events of orders appear here as they
            happen; they are not kept.
          </Empty>
        ) : (
          <EventTable events={shown} />
        )}
        {skipped > 0 && (
          <p class="pager small muted">
            {formatCount(skipped)} more came too fast to be shown; each order still has its own
            screen.
          </p>
        )}
      </div>
    </Screen>
  );
}

/** Whose events are shown, if not all. */
function Only({ query: { userId, orderId } }: { readonly query: Query }) {
  if (userId === undefined && orderId === undefined) return null;
  return (
    <div class="banner">
      <p>
        Only of {orderId === undefined ? 'user' : 'order'}{' '}
        <Id id={String(orderId ?? userId)} of={orderId === undefined ? 'user' : 'order'} />
      </p>
      <a class="button" href={linkTo('live')}>
        Show all
      </a>
    </div>
  );
}

const trouble = new Set<LiveEvent['name']>([
  'refused',
  'retried',
  'failed',
  'canceled',
  'stalled',
  'held',
  'interrupted',
  'error',
]);

const isTrouble = ({ name }: LiveEvent): boolean => trouble.has(name);

/** The last events first. What comes during a pause is kept, and shown after it. */
function useEvents(isPaused: boolean) {
  const [events, setEvents] = useState<readonly NumberedEvent[]>([]);
  const [skipped, setSkipped] = useState(0);
  const [held, setHeld] = useState(0);
  const waiting = useRef<NumberedEvent[]>([]);
  const paused = useRef(isPaused);
  const count = useRef(0);
  paused.current = isPaused;

  useEffect(
    () =>
      onMessage('events', (message) => {
        const numbered = message.events.map((event) => {
          count.current += 1;
          return { ...event, number: count.current };
        });
        setSkipped((before) => before + message.skipped);
        waiting.current = [...numbered.toReversed(), ...waiting.current].slice(0, most);
        if (paused.current) setHeld((before) => before + numbered.length);
        else show();
      }),
    [],
  );
  const show = (): void => {
    const added = waiting.current;
    waiting.current = [];
    setEvents((before) => [...added, ...before].slice(0, most));
  };
  useEffect(() => {
    setHeld(0);
    if (!isPaused) show();
  }, [isPaused]);

  const clear = (): void => {
    setEvents([]);
    setSkipped(0);
  };
  return { events, held, skipped, clear };
}

import { clock } from '../data/clock.ts';
import { type Connection, connection, reconnect } from '../data/live.ts';
import { stats } from '../data/stats.ts';
import { useStore } from '../data/store.ts';
import { Icon } from '../parts/icons.tsx';

const words: Readonly<Record<Connection['state'], string>> = {
  connecting: 'Connecting',
  live: 'Live',
  resting: 'Resting',
  lost: 'Disconnected',
};

/** In the head of the page: whether what is shown is up to date. */
export function ConnectionState() {
  const { state } = useStore(connection);
  return (
    <span class={`state ${state}`} role="status" title={words[state]}>
      <span>{words[state]}</span>
    </span>
  );
}

/** Above each screen: what is wrong with the connection or the processor as a whole. */
export function Banners() {
  return (
    <div class="banners" aria-live="polite">
      <ConnectionBanner />
      <ProcessorBanner />
    </div>
  );
}

function ConnectionBanner() {
  const current = useStore(connection);
  useStore(clock);
  if (current.state !== 'lost') return null;
  const { reason, message, nextAt } = current;
  return (
    <div class="banner warn">
      <Icon name="attention" />
      <p>
        {reason === 'shutdown' ? 'The processor is shutting down.' : <bdi>{message}</bdi>} What you
        see may be old. {nextAt !== undefined && <span aria-hidden="true">{nextText(nextAt)}</span>}
      </p>
      <button type="button" class="button" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}

function nextText(nextAt: number): string {
  const seconds = Math.max(0, Math.ceil((nextAt - Date.now()) / 1_000));
  return seconds === 0 ? 'Trying now…' : `Trying again in ${seconds} s.`;
}

function ProcessorBanner() {
  const current = useStore(stats);
  const { state } = useStore(connection);
  if (current === undefined || state !== 'live') return null;
  const { storage, isPaused } = current;
  return (
    <>
      {current.state !== 'running' && (
        <div class="banner warn">
          <Icon name="stop" />
          <p>The processor is shutting down: it takes no new orders, and finishes what runs.</p>
        </div>
      )}
      {storage.state === 'failing' && (
        <div class="banner bad">
          <Icon name="attention" />
          <p>
            The storage fails: new orders are refused, and none begins.{' '}
            {storage.message !== undefined && <bdi>{storage.message}</bdi>}
          </p>
        </div>
      )}
      {storage.state === 'recovering' && (
        <div class="banner calm">
          <Icon name="run" />
          <p>The processor takes up the orders that were left unsettled. New ones wait.</p>
        </div>
      )}
      {isPaused && (
        <div class="banner warn">
          <Icon name="pause" />
          <p>The processor is paused: no order begins before it is resumed.</p>
        </div>
      )}
    </>
  );
}

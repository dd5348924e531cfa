import type { LiveEvent } from '../../../api.ts';
import { formatClock, formatDuration, formatExact } from '../../data/format/times.ts';
import { Badge, Code, type Tone } from '../../parts/badges.tsx';
import type { IconName } from '../../parts/icons.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Amount, Id } from '../../parts/values.tsx';

export type NumberedEvent = LiveEvent & { readonly number: number };

const looks: Readonly<Record<LiveEvent['name'], readonly [Tone, IconName]>> = {
  accepted: ['calm', 'wait'],
  refused: ['warn', 'stop'],
  started: ['accent', 'run'],
  progress: ['accent', 'run'],
  stepped: ['calm', 'check'],
  retried: ['warn', 'retry'],
  completed: ['good', 'check'],
  failed: ['bad', 'cross'],
  canceled: ['warn', 'stop'],
  stalled: ['bad', 'wait'],
  held: ['bad', 'lanes'],
  released: ['good', 'unlock'],
  interrupted: ['bad', 'attention'],
  restored: ['good', 'check'],
  shutdown: ['warn', 'stop'],
  error: ['bad', 'attention'],
  acted: ['accent', 'actions'],
};

const columns: readonly Column<NumberedEvent>[] = [
  {
    name: 'Time',
    cell: ({ at }) => (
      <time class="number nowrap" dateTime={new Date(at).toISOString()} title={formatExact(at)}>
        {formatClock(new Date(at))}
      </time>
    ),
  },
  {
    name: 'Event',
    cell: ({ name }) => {
      const [tone, icon] = looks[name] ?? ['calm', 'live'];
      return (
        <Badge tone={tone} icon={icon}>
          {name}
        </Badge>
      );
    },
  },
  {
    name: 'Order',
    kind: 'id',
    cell: ({ orderId }) => orderId !== undefined && <Id id={orderId} of="order" />,
  },
  {
    name: 'User',
    kind: 'id',
    cell: ({ userId }) => userId !== undefined && <Id id={userId} of="user" />,
  },
  { name: 'Details', kind: 'text', cell: (event) => <Details event={event} /> },
];

/** Read on demand, since a screen reader could not keep up. */
export function EventTable({ events }: { readonly events: readonly NumberedEvent[] }) {
  return (
    <Table
      label="Events, the last one first"
      columns={columns}
      rows={events}
      keyOf={({ number }) => String(number)}
    />
  );
}

function Details({ event }: { readonly event: NumberedEvent }) {
  const { amount, step, attempt, durationMs, code, message } = event;
  return (
    <div class="details">
      {step !== undefined && <bdi>{step}</bdi>}
      {attempt !== undefined && <span class="muted">attempt {attempt}</span>}
      {durationMs !== undefined && <span class="muted">{formatDuration(durationMs)}</span>}
      {amount !== undefined && <Amount amount={amount} isChange />}
      {code !== undefined && (
        <span class="bad-text">
          <Code code={code} />
        </span>
      )}
      {message !== undefined && <bdi class="muted small">{message}</bdi>}
    </div>
  );
}

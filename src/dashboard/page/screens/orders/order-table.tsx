import type { OrderSummary } from '../../../api.ts';
import { formatDuration } from '../../data/format/times.ts';
import { Badge, Code, Labels, StatusBadge } from '../../parts/badges.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Amount, Id, Time } from '../../parts/values.tsx';

/** Where the table stands: what is the same for all of its rows is left out. */
type Kind = 'all' | 'user' | 'lane' | 'scheduled';

interface OrderTableProps {
  readonly label: string;
  readonly orders: readonly OrderSummary[];
  readonly kind: Kind;
}

type OrderColumn = Column<OrderSummary>;

const id: OrderColumn = {
  name: 'Order',
  kind: 'head',
  cell: (order) => <Id id={order.id} of="order" />,
};
const user: OrderColumn = {
  name: 'User',
  kind: 'id',
  cell: ({ userId }) => <Id id={userId} of="user" />,
};
const status: OrderColumn = {
  name: 'Status',
  cell: ({ status: value }) => <StatusBadge status={value} />,
};
const amount: OrderColumn = {
  name: 'Amount',
  kind: 'amount',
  cell: (order) => <Amount amount={order.amount} isChange />,
};
const accepted: OrderColumn = {
  name: 'Accepted',
  cell: ({ acceptedAt }) => <Time at={acceptedAt} />,
};
const begins: OrderColumn = { name: 'Begins', cell: ({ notBefore }) => <Time at={notBefore} /> };
const took: OrderColumn = {
  name: 'Took',
  kind: 'number',
  cell: ({ startedAt, settledAt }) =>
    startedAt !== undefined &&
    settledAt !== undefined && <span class="nowrap">{formatDuration(settledAt - startedAt)}</span>,
};
const details: OrderColumn = {
  name: 'Details',
  kind: 'text',
  cell: (order) => <Details order={order} />,
};

const columns: Readonly<Record<Kind, readonly OrderColumn[]>> = {
  all: [id, user, status, amount, accepted, took, details],
  user: [id, status, amount, accepted, took, details],
  lane: [id, status, amount, accepted, details],
  scheduled: [id, amount, begins, accepted, details],
};

export function OrderTable({ label, orders, kind }: OrderTableProps) {
  return <Table label={label} columns={columns[kind]} rows={orders} keyOf={(order) => order.id} />;
}

function Details({ order }: { readonly order: OrderSummary }) {
  const { code, labels, priority, progress, retriedAs, retryOf } = order;
  const isPlain =
    code === undefined &&
    labels.length === 0 &&
    priority === 'medium' &&
    progress === undefined &&
    retriedAs === undefined &&
    retryOf === undefined;
  if (isPlain) return null;
  return (
    <div class="details">
      {code !== undefined && (
        <span class="bad-text small" title={order.message}>
          <Code code={code} />
        </span>
      )}
      {progress !== undefined && (
        <span class="small muted">
          <bdi>{progress.step}</bdi> {Math.round(progress.fraction * 100)} %
        </span>
      )}
      {priority !== 'medium' && (
        <Badge tone={priority === 'high' ? 'accent' : 'calm'}>{priority} priority</Badge>
      )}
      {retriedAs !== undefined && (
        <a class="small" href={`#/order?id=${encodeURIComponent(retriedAs)}`}>
          retried
        </a>
      )}
      {retryOf !== undefined && <span class="small muted">a retry</span>}
      <Labels labels={labels} />
    </div>
  );
}

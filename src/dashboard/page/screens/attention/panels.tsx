import type { ErrorView, FailureView, StalledView } from '../../../api.ts';
import { Sparkline } from '../../charts/sparkline.tsx';
import { formatCount } from '../../data/format/words.ts';
import { linkTo } from '../../data/router.ts';
import { ActionButton } from '../../parts/acting/action-button.tsx';
import { planForFilter, planForOrder } from '../../parts/acting/plans.ts';
import { Badge, Code } from '../../parts/badges.tsx';
import { Panel } from '../../parts/panel.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Id, Time } from '../../parts/values.tsx';

/** `other` stands for many codes, so that nothing can be filtered by it. */
const isOneCode = ({ code }: FailureView): boolean => code !== 'other';

const failureColumns: readonly Column<FailureView>[] = [
  {
    name: 'Code',
    kind: 'head',
    cell: (failure) => (
      <a
        class="id"
        href={linkTo('orders', {
          status: 'failed',
          code: isOneCode(failure) ? failure.code : undefined,
        })}
      >
        <Code code={failure.code} />
      </a>
    ),
  },
  { name: 'Orders', kind: 'number', cell: ({ count }) => formatCount(count) },
  {
    name: 'By minute',
    cell: ({ code, byMinute }) => (
      <Sparkline counts={byMinute} label={`Failures with ${code} in the last hour`} />
    ),
  },
  { name: 'Last', cell: ({ last }) => <Time at={last.at} /> },
  {
    name: 'Message',
    kind: 'text',
    cell: ({ last }) => (
      <div>
        <bdi>{last.message}</bdi>
        <div class="small">
          <Id id={last.orderId} of="order" />
        </div>
      </div>
    ),
  },
  {
    name: 'Actions',
    kind: 'controls',
    cell: (failure) =>
      isOneCode(failure) && (
        <ActionButton plan={planForFilter('retry', { status: 'failed', code: failure.code })} />
      ),
  },
];

/** Failures of the last hour, by code. */
export function FailurePanel({ failures }: { readonly failures: readonly FailureView[] }) {
  return (
    <Panel title="Failures in the last hour" isFlush>
      <Table
        label="Failures by code"
        columns={failureColumns}
        rows={failures}
        keyOf={({ code }) => code}
      />
    </Panel>
  );
}

const stalledColumns: readonly Column<StalledView>[] = [
  { name: 'Order', kind: 'head', cell: ({ orderId }) => <Id id={orderId} of="order" /> },
  { name: 'User', kind: 'id', cell: ({ userId }) => <Id id={userId} of="user" /> },
  { name: 'Began', cell: ({ startedAt }) => <Time at={startedAt} /> },
  {
    name: 'Steps that have not ended',
    kind: 'text',
    cell: ({ steps }) => <bdi>{steps.join(', ')}</bdi>,
  },
  {
    name: 'Actions',
    kind: 'controls',
    cell: ({ orderId }) => <ActionButton plan={planForOrder('cancel', orderId)} />,
  },
];

interface StalledProps {
  readonly stalled: readonly StalledView[];
  readonly count: number;
}

export function StalledPanel({ stalled, count }: StalledProps) {
  const title = (
    <>
      Stalled orders <Badge tone="bad">{formatCount(count)}</Badge>
    </>
  );
  return (
    <Panel title={title} tone="bad" isFlush>
      <Table
        label="Stalled orders"
        columns={stalledColumns}
        rows={stalled}
        keyOf={({ orderId }) => orderId}
      />
    </Panel>
  );
}

const errorColumns: readonly Column<ErrorView>[] = [
  { name: 'When', cell: ({ at }) => <Time at={at} /> },
  { name: 'Code', kind: 'id', cell: ({ code }) => <Code code={code} /> },
  { name: 'Message', kind: 'text', cell: ({ message }) => <bdi>{message}</bdi> },
  {
    name: 'Order',
    kind: 'id',
    cell: ({ orderId }) => orderId !== undefined && <Id id={orderId} of="order" />,
  },
];

/** What failed beside orders: compensations, listeners, the storage. */
export function ErrorPanel({ errors }: { readonly errors: readonly ErrorView[] }) {
  return (
    <Panel title="Other errors" isFlush>
      <Table
        label="Other errors"
        columns={errorColumns}
        rows={errors}
        keyOf={({ at, code, orderId, message }) => `${at} ${code} ${orderId} ${message}`}
      />
    </Panel>
  );
}

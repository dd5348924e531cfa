import type { LaneView } from '../../../api.ts';
import { ActionButton } from '../../parts/acting/action-button.tsx';
import { planToRelease } from '../../parts/acting/plans.ts';
import { Badge, Code } from '../../parts/badges.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Id, Time } from '../../parts/values.tsx';

const columns: readonly Column<LaneView>[] = [
  { name: 'User', kind: 'head', cell: ({ userId }) => <Id id={userId} of="user" /> },
  { name: 'Held', cell: ({ heldAt }) => <Time at={heldAt} /> },
  { name: 'Why', kind: 'text', cell: (lane) => <WhyHeld lane={lane} /> },
  {
    name: 'Order',
    kind: 'id',
    cell: ({ orderId }) =>
      orderId === undefined ? <span class="muted">none</span> : <Id id={orderId} of="order" />,
  },
  {
    name: 'Actions',
    kind: 'controls',
    cell: (lane) => <ActionButton plan={planToRelease(lane)} />,
  },
];

export function LaneTable({ lanes }: { readonly lanes: readonly LaneView[] }) {
  return <Table label="Held lanes" columns={columns} rows={lanes} keyOf={({ userId }) => userId} />;
}

/** Why a lane is held, in words. */
export function WhyHeld({ lane }: { readonly lane: LaneView }) {
  const { reason, code, message, cause, compensated = [] } = lane;
  return (
    <div>
      {reason !== undefined && (
        <div>
          <Badge tone="warn">by hand</Badge> <bdi>{reason === '' ? 'No reason given' : reason}</bdi>
        </div>
      )}
      {code !== undefined && (
        <div>
          <Badge tone="bad">
            <Code code={code} />
          </Badge>{' '}
          <bdi>{message}</bdi>
        </div>
      )}
      {cause !== undefined && cause.message !== message && (
        <div class="muted small">
          <bdi>
            {cause.name}: {cause.message}
          </bdi>
        </div>
      )}
      {compensated.length > 0 && (
        <div class="muted small">
          Compensated: <bdi>{compensated.join(', ')}</bdi>
        </div>
      )}
    </div>
  );
}

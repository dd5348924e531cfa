import { useEffect } from 'preact/hooks';
import type { ActionEntry, ActionsView } from '../../api.ts';
import { onMessage } from '../data/live.ts';
import { useResource } from '../data/resource.ts';
import { useReadOnlyReason } from '../parts/acting/action-button.tsx';
import { wordsOfAction } from '../parts/acting/results.ts';
import { Badge } from '../parts/badges.tsx';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Screen } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Id, Time } from '../parts/values.tsx';

const onUsers = new Set<ActionEntry['action']>(['hold', 'release']);

const columns: readonly Column<ActionEntry>[] = [
  { name: 'When', cell: ({ at }) => <Time at={at} /> },
  {
    name: 'Who',
    kind: 'id',
    cell: ({ by }) => (by === undefined ? <span class="muted">not known</span> : <bdi>{by}</bdi>),
  },
  {
    name: 'What',
    cell: (entry) => (
      <span class="details">
        {wordsOfAction(entry)}
        {entry.done < entry.targets && <Badge tone="warn">not all</Badge>}
      </span>
    ),
  },
  {
    name: 'For',
    kind: 'text',
    cell: ({ action, sample, targets }) =>
      sample.length > 0 && (
        <span class="details">
          {sample.map((id) => (
            <span key={id} class="cell-id">
              <Id id={id} of={onUsers.has(action) ? 'user' : 'order'} />
            </span>
          ))}
          {targets > sample.length && (
            <span class="muted small">and {targets - sample.length} more</span>
          )}
        </span>
      ),
  },
  {
    name: 'Why',
    kind: 'text',
    cell: ({ reason }) => reason !== undefined && <bdi>{reason}</bdi>,
  },
];

/** What was done from dashboards. */
export function ActionsScreen() {
  const resource = useResource<ActionsView>('actions');
  const { reload } = resource;
  const reason = useReadOnlyReason();
  useEffect(() => onMessage('actions', reload), [reload]);
  return (
    <Screen title="Actions">
      <div class="panel">
        <Loaded from={resource}>
          {({ actions }) =>
            actions.length === 0 ? (
              <Empty icon="actions" title="Nothing was done yet">
                {reason ??
                  'What is done from dashboards of this process is listed here: cancel or retry an order, release a lane, hold a user, pause the processor.'}
              </Empty>
            ) : (
              <Table
                label="Actions, the last one first"
                columns={columns}
                rows={actions}
                keyOf={({ id }) => id}
              />
            )
          }
        </Loaded>
      </div>
    </Screen>
  );
}

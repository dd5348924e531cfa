import type { ClusterView, ProcessorsView, ProcessorView } from '../../api.ts';
import { formatDuration } from '../data/format/times.ts';
import { countOf, formatCount } from '../data/format/words.ts';
import { useResource } from '../data/resource.ts';
import { linkTo } from '../data/router.ts';
import { Badge } from '../parts/badges.tsx';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Panel, Screen, Tile } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Time } from '../parts/values.tsx';

/** The processors that share a storage, and the partitions that they own. */
export function ProcessorsScreen() {
  const resource = useResource<ProcessorsView>('processors', {}, 'processors');
  return (
    <Screen title="Processors">
      <Loaded from={resource}>
        {({ cluster }) => (cluster === undefined ? <Alone /> : <Cluster cluster={cluster} />)}
      </Loaded>
    </Screen>
  );
}

function Alone() {
  return (
    <div class="panel">
      <Empty icon="processors" title="One processor">
        This storage is not shared: this process alone works on it. With{' '}
        <code>PostgresStorage</code> several processors share one database, and are listed here.{' '}
        <a href={linkTo('overview')}>See how this one does</a>
      </Empty>
    </div>
  );
}

/** A sign of life this old is late. */
const lateMs = 5_000;

function Cluster({ cluster }: { readonly cluster: ClusterView }) {
  const { processors, partitions, ownedPartitions, freePartitions, isMember } = cluster;
  return (
    <>
      {!isMember && (
        <div class="banner bad" role="alert">
          <p>This process is not one of the processors now: it owns no partition.</p>
        </div>
      )}
      <div class="tiles">
        <Tile name="Processors" value={formatCount(processors.length)} />
        <Tile
          name="Owned partitions"
          value={formatCount(ownedPartitions)}
          note={`of ${formatCount(partitions)}`}
        />
        <Tile
          name="Without an owner"
          value={formatCount(freePartitions)}
          tone={freePartitions > 0 ? 'bad' : undefined}
          note={freePartitions > 0 ? 'Their users wait' : 'None'}
        />
        <Tile
          name="Unsettled orders of all"
          value={formatCount(cluster.backlog)}
          note={`the oldest waits for ${formatDuration(cluster.oldestWaitMs)}`}
        />
      </div>
      <Panel title="Who owns what" isFlush>
        <Table
          label="Processors"
          columns={columnsFor(partitions)}
          rows={processors}
          keyOf={({ name, joinedAt }) => `${name} ${joinedAt}`}
        />
        <p class="pager small muted">As of {formatDuration(cluster.ageMs)} ago.</p>
      </Panel>
    </>
  );
}

function columnsFor(partitions: number): readonly Column<ProcessorView>[] {
  return [
    {
      name: 'Processor',
      kind: 'head',
      cell: ({ name, isSelf }) => (
        <span class="details">
          <bdi class="id" title={name}>
            {name}
          </bdi>
          {isSelf && <Badge tone="accent">this one</Badge>}
        </span>
      ),
    },
    {
      name: 'Partitions',
      cell: (processor) => (
        <span class="share">
          <span class="share-bar" aria-hidden="true">
            <i style={{ width: `${(100 * processor.partitions) / Math.max(1, partitions)}%` }} />
          </span>
          <span class="number nowrap">{countOf(processor.partitions, 'partition')}</span>
        </span>
      ),
    },
    { name: 'Joined', cell: ({ joinedAt }) => <Time at={joinedAt} /> },
    {
      name: 'Last sign of life',
      cell: ({ beatAgeMs }) => (
        <span class="details">
          <span class="number nowrap">{formatDuration(beatAgeMs)} ago</span>
          {beatAgeMs > lateMs && <Badge tone="warn">late</Badge>}
        </span>
      ),
    },
  ];
}

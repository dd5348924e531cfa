import type { AttentionView } from '../../api.ts';
import { countOf, formatCount } from '../data/format/words.ts';
import { useResource } from '../data/resource.ts';
import { linkTo } from '../data/router.ts';
import { stats } from '../data/stats.ts';
import { useStore } from '../data/store.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planToPause, planToReleaseAll } from '../parts/acting/plans.ts';
import { Badge } from '../parts/badges.tsx';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Panel, Screen, Tile } from '../parts/panel.tsx';
import { Time } from '../parts/values.tsx';
import { LaneTable } from './attention/lane-table.tsx';
import { ErrorPanel, FailurePanel, StalledPanel } from './attention/panels.tsx';

/** What an operator is to look at first. */
export function AttentionScreen() {
  const resource = useResource<AttentionView>('attention', {}, 'attention');
  const isPaused = useStore(stats)?.isPaused ?? resource.data?.isPaused ?? false;
  return (
    <Screen title="Attention" tools={<ActionButton plan={planToPause(isPaused)} />}>
      <Loaded from={resource}>{(view) => <Attention view={view} />}</Loaded>
    </Screen>
  );
}

function Attention({ view }: { readonly view: AttentionView }) {
  const { heldLanes, lanes, failures, stalled, errors } = view;
  const isCalm =
    heldLanes === 0 && failures.length === 0 && stalled.length === 0 && errors.length === 0;
  return (
    <>
      <Tiles view={view} />
      {isCalm && view.storage.state === 'ready' && (
        <div class="panel">
          <Empty icon="check" isGood title="Nothing needs attention">
            No lane is held, no order has failed in the last hour, and none has stalled.{' '}
            <a href={linkTo('orders')}>See all orders</a>
          </Empty>
        </div>
      )}
      {heldLanes > 0 && (
        <Panel
          title={
            <>
              Held lanes <Badge tone="bad">{formatCount(heldLanes)}</Badge>
            </>
          }
          tone="bad"
          isFlush
          tools={<ActionButton plan={planToReleaseAll()} />}
        >
          <LaneTable lanes={lanes} />
          {lanes.length < heldLanes && (
            <div class="pager">
              <a href={linkTo('lanes')}>See all {formatCount(heldLanes)} held lanes</a>
            </div>
          )}
        </Panel>
      )}
      {stalled.length > 0 && <StalledPanel stalled={stalled} count={view.stalledOrders} />}
      {failures.length > 0 && <FailurePanel failures={failures} />}
      {errors.length > 0 && <ErrorPanel errors={errors} />}
    </>
  );
}

function Tiles({ view }: { readonly view: AttentionView }) {
  const { heldLanes, heldOrders, failures, stalledOrders, storage, freePartitions } = view;
  const failed = failures.reduce((sum, { count }) => sum + count, 0);
  return (
    <div class="tiles">
      <Tile
        name="Held lanes"
        value={formatCount(heldLanes)}
        note={
          heldLanes > 0
            ? `${countOf(heldOrders, 'order waits', 'orders wait')} in them`
            : 'All users go on'
        }
        tone={heldLanes > 0 ? 'bad' : undefined}
        href={linkTo('lanes')}
      />
      <Tile
        name="Failures in the last hour"
        value={formatCount(failed)}
        note={failed > 0 ? `${countOf(failures.length, 'code')}` : 'None'}
        tone={failed > 0 ? 'warn' : undefined}
        href={linkTo('orders', { status: 'failed' })}
      />
      <Tile
        name="Stalled orders"
        value={formatCount(stalledOrders)}
        note={stalledOrders > 0 ? 'Their users wait for them' : 'Every order ends in time'}
        tone={stalledOrders > 0 ? 'bad' : undefined}
      />
      <Tile
        name="Storage"
        value={storage.state}
        tone={storage.state === 'failing' ? 'bad' : undefined}
        note={
          storage.since === undefined ? undefined : (
            <>
              since <Time at={storage.since} />
            </>
          )
        }
      />
      {freePartitions !== undefined && (
        <Tile
          name="Partitions without an owner"
          value={formatCount(freePartitions)}
          tone={freePartitions > 0 ? 'bad' : undefined}
          href={linkTo('processors')}
        />
      )}
    </div>
  );
}

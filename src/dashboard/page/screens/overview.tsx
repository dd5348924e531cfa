import { useEffect, useMemo, useState } from 'preact/hooks';
import type { OverviewView, PointView, StatsView } from '../../api.ts';
import { formatDuration } from '../data/format/times.ts';
import { formatBytes, formatCount, formatRate } from '../data/format/words.ts';
import { onMessage } from '../data/live.ts';
import { useResource } from '../data/resource.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planToPause } from '../parts/acting/plans.ts';
import { Loaded } from '../parts/feedback.tsx';
import { Fact, Panel, Screen, Tile } from '../parts/panel.tsx';
import { SeriesChart } from './overview/series-chart.tsx';

const hourMs = 3_600_000;

/** How a processor does, over the last hour. */
export function OverviewScreen() {
  const resource = useResource<OverviewView>('overview', {}, 'overview');
  const data = useGrowing(resource.data);
  return (
    <Screen
      title="Overview"
      tools={data && <ActionButton plan={planToPause(data.stats.isPaused)} />}
    >
      <Loaded from={{ ...resource, data }}>{(view) => <Overview view={view} />}</Loaded>
    </Screen>
  );
}

/** The points of the stream follow those of the answer; what is older than an hour goes. */
function useGrowing(loaded: OverviewView | undefined): OverviewView | undefined {
  const [view, setView] = useState(loaded);
  useEffect(() => {
    if (loaded !== undefined) setView(loaded);
  }, [loaded]);
  useEffect(
    () =>
      onMessage('points', ({ stats, points }) => {
        setView((before) => before && { stats, series: seriesWith(before.series, points) });
      }),
    [],
  );
  return view;
}

function seriesWith(
  { stepMs, points, to }: OverviewView['series'],
  added: readonly PointView[],
): OverviewView['series'] {
  const first = added[0]?.at ?? Number.POSITIVE_INFINITY;
  const all = [...points.filter(({ at }) => at < first), ...added];
  const last = all.at(-1)?.at ?? to;
  return { stepMs, to: last, points: all.filter(({ at }) => at > last - hourMs) };
}

function Overview({ view: { stats, series } }: { readonly view: OverviewView }) {
  const { points } = series;
  const last = points.at(-1);
  return (
    <>
      <Tiles stats={stats} last={last} />
      {points.length < 2 && (
        <div class="banner calm">
          <p>
            The charts begin when the dashboard does, and show the last hour. Come back in a minute.
          </p>
        </div>
      )}
      <div class="columns">
        <SeriesChart
          title="Orders per second"
          points={points}
          lines={throughput}
          format={formatRate}
        />
        <SeriesChart
          title="Waiting orders"
          points={points}
          lines={waiting}
          format={whole}
          tick={wholeTick}
        />
        <SeriesChart
          title="Busy workers"
          points={points}
          lines={workers}
          format={whole}
          tick={wholeTick}
        />
        <SeriesChart title="Wait" points={points} lines={waits} format={formatDuration} />
        <SeriesChart title="Duration" points={points} lines={durations} format={formatDuration} />
        <Totals stats={stats} />
      </div>
    </>
  );
}

const whole = (value: number): string => formatCount(Math.round(value));
/** Between whole numbers there is none. */
const wholeTick = (value: number): string => (Number.isInteger(value) ? whole(value) : '');

const throughput = [
  { name: 'accepted', ink: 'accent', field: 'accepted' },
  { name: 'completed', ink: 'good', field: 'completed' },
  { name: 'failed', ink: 'bad', field: 'failed' },
  { name: 'canceled', ink: 'warn', field: 'canceled' },
] as const;
const waiting = [{ name: 'waiting', ink: 'accent', field: 'waiting' }] as const;
const workers = [{ name: 'busy', ink: 'accent', field: 'activeWorkers' }] as const;
const waits = [
  { name: 'half', ink: 'accent', field: 'waitP50' },
  { name: '95 of 100', ink: 'warn', field: 'waitP95' },
  { name: '99 of 100', ink: 'bad', field: 'waitP99' },
] as const;
const durations = [
  { name: 'half', ink: 'accent', field: 'durationP50' },
  { name: '95 of 100', ink: 'warn', field: 'durationP95' },
  { name: '99 of 100', ink: 'bad', field: 'durationP99' },
] as const;

interface TilesProps {
  readonly stats: StatsView;
  readonly last: PointView | undefined;
}

function Tiles({ stats, last }: TilesProps) {
  const { waiting: count, activeWorkers, concurrency, unsettled, capacity, oldestWaitMs } = stats;
  const share = useMemo(() => unsettled / Math.max(1, capacity), [unsettled, capacity]);
  return (
    <div class="tiles">
      <Tile name="Completed per second" value={formatRate(last?.completed ?? 0)} />
      <Tile
        name="Failed per second"
        value={formatRate(last?.failed ?? 0)}
        tone={(last?.failed ?? 0) > 0 ? 'warn' : undefined}
      />
      <Tile
        name="Waiting"
        value={formatCount(count)}
        note={`the oldest for ${formatDuration(oldestWaitMs)}`}
      />
      <Tile
        name="Busy workers"
        value={formatCount(activeWorkers)}
        note={`of ${formatCount(concurrency)}`}
      />
      <Tile
        name="Room used"
        value={`${Math.round(100 * share)} %`}
        note={`${formatCount(unsettled)} of ${formatCount(capacity)} orders`}
        tone={share >= 1 ? 'bad' : share > 0.8 ? 'warn' : undefined}
      />
    </div>
  );
}

function Totals({ stats }: { readonly stats: StatsView }) {
  const { accepted, refused, completed, failed, canceled, scheduled, uptimeMs, storageBytes } =
    stats;
  return (
    <Panel title="Since the processor began">
      <dl class="facts">
        <Fact name="Accepted">{formatCount(accepted)}</Fact>
        <Fact name="Completed">{formatCount(completed)}</Fact>
        <Fact name="Failed">{formatCount(failed)}</Fact>
        <Fact name="Canceled">{formatCount(canceled)}</Fact>
        <Fact name="Refused">{formatCount(refused)}</Fact>
        <Fact name="Scheduled">{formatCount(scheduled)}</Fact>
        <Fact name="Runs for">{formatDuration(uptimeMs)}</Fact>
        {storageBytes !== undefined && <Fact name="Storage">{formatBytes(storageBytes)}</Fact>}
      </dl>
    </Panel>
  );
}

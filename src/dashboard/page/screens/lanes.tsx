import { useEffect, useState } from 'preact/hooks';
import type { LanePage } from '../../api.ts';
import { countOf } from '../data/format/words.ts';
import { useResource } from '../data/resource.ts';
import { stats } from '../data/stats.ts';
import { useStore } from '../data/store.ts';
import { ActionButton } from '../parts/acting/action-button.tsx';
import { planToReleaseAll } from '../parts/acting/plans.ts';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Screen } from '../parts/panel.tsx';
import { Pager } from '../parts/table.tsx';
import { LaneTable } from './attention/lane-table.tsx';

/** All held lanes, page by page. */
export function LanesScreen() {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const resource = useResource<LanePage>('lanes', { cursor: cursors.at(-1), limit: 50 });
  const { reload } = resource;
  const heldLanes = useStore(stats)?.heldLanes;
  useEffect(() => {
    if (resource.data !== undefined) reload();
  }, [heldLanes]);
  return (
    <Screen title="Held lanes" tools={<ActionButton plan={planToReleaseAll()} />}>
      <div class="panel">
        <Loaded from={resource}>
          {({ lanes, cursor }) =>
            lanes.length === 0 && cursors.length === 0 ? (
              <Empty icon="check" isGood title="No lane is held">
                All users go on. To hold one, open the user and choose “Hold”.
              </Empty>
            ) : (
              <>
                <LaneTable lanes={lanes} />
                <Pager
                  text={`${countOf(lanes.length, 'lane')} on this page`}
                  previousName="Before"
                  nextName="Next"
                  previous={
                    cursors.length === 0 ? undefined : () => setCursors(cursors.slice(0, -1))
                  }
                  next={cursor === undefined ? undefined : () => setCursors([...cursors, cursor])}
                />
              </>
            )
          }
        </Loaded>
      </div>
    </Screen>
  );
}

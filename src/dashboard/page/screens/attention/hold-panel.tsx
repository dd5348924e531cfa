import type { LaneView } from '../../../api.ts';
import { ActionButton } from '../../parts/acting/action-button.tsx';
import { planToRelease } from '../../parts/acting/plans.ts';
import { Panel } from '../../parts/panel.tsx';
import { Id, Time } from '../../parts/values.tsx';
import { WhyHeld } from './lane-table.tsx';

/** Why one lane is held, and the way out. */
export function HoldPanel({ lane }: { readonly lane: LaneView }) {
  const { heldAt, orderId } = lane;
  return (
    <Panel title="The lane is held" tone="bad" tools={<ActionButton plan={planToRelease(lane)} />}>
      <div class="screen">
        <p>
          Held <Time at={heldAt} />. None of the user’s orders begins before the lane is released.
        </p>
        <WhyHeld lane={lane} />
        {orderId !== undefined && (
          <p>
            By order <Id id={orderId} of="order" />
          </p>
        )}
      </div>
    </Panel>
  );
}

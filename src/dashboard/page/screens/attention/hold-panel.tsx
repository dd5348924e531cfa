import type { LaneView } from '../../../api.ts';
import { ActionButton } from '../../parts/acting/action-button.tsx';
import { planToRelease } from '../../parts/acting/plans.ts';
import { Panel } from '../../parts/panel.tsx';
import { Id, Time } from '../../parts/values.tsx';
import { WhyHeld } from './lane-table.tsx';

interface HoldPanelProps {
  readonly lane: LaneView;
  /** The order whose screen this stands on. */
  readonly shownOrderId?: string;
}

/** Why one lane is held, and the way out. */
export function HoldPanel({ lane, shownOrderId }: HoldPanelProps) {
  const { heldAt, orderId } = lane;
  return (
    <Panel title="The lane is held" tone="bad" tools={<ActionButton plan={planToRelease(lane)} />}>
      <div class="screen">
        <p>
          Held <Time at={heldAt} />. None of the user’s orders begins before the lane is released.
        </p>
        <WhyHeld lane={lane} />
        {orderId !== undefined && orderId !== shownOrderId && (
          <p>
            By order <Id id={orderId} of="order" />
          </p>
        )}
      </div>
    </Panel>
  );
}

import type {
  ActionRequest,
  LaneView,
  OrderFilter,
  PreviewRequest,
  PreviewView,
} from '../../../api.ts';
import { countOf } from '../../data/format/words.ts';
import type { IconName } from '../icons.tsx';

/** What a person has said in the dialog, and what the filter matched. */
export interface Given {
  readonly then: 'retry' | 'skip';
  readonly reason: string;
  readonly found: PreviewView | undefined;
}

/** An action before it is done: what the dialog says and asks, and what is sent. */
export interface Plan {
  /** On the button that opens the dialog. */
  readonly name: string;
  readonly icon: IconName;
  readonly title: string;
  /** What it does. */
  readonly explanation: string;
  /** What speaks against it. */
  readonly warning?: string;
  /** On the button that does it. */
  readonly confirm: (count: number) => string;
  readonly isDanger?: boolean;
  /** Whether who operates for certain users may not do it. */
  readonly isForOperators?: boolean;
  readonly asks?: 'then' | 'reason';
  /** Which orders or users, if they are known. */
  readonly targets?: readonly string[];
  /** Finds them, if they are not. */
  readonly preview?: PreviewRequest;
  readonly request: (given: Given) => ActionRequest;
}

const orders = (count: number): string => countOf(count, 'order');
const lanes = (count: number): string => countOf(count, 'lane');

type OrderAction = 'cancel' | 'retry' | 'compensate';

const orderActions: Readonly<
  Record<OrderAction, Pick<Plan, 'name' | 'icon' | 'explanation' | 'isDanger' | 'isForOperators'>>
> = {
  cancel: {
    name: 'Cancel',
    icon: 'stop',
    explanation:
      'An order that waits is canceled at once. One that runs is stopped, and what its steps did is compensated; its amount is not applied.',
    isDanger: true,
  },
  retry: {
    name: 'Retry',
    icon: 'retry',
    explanation:
      'A failed or canceled order is handed in once more, as a new order with the same content. It waits behind the other orders of its user.',
  },
  compensate: {
    name: 'Compensate again',
    icon: 'retry',
    explanation: 'The compensations that failed are run once more. The outcome stays as it is.',
    isForOperators: true,
  },
};

/** Said before a retry that may do once more what still stands. */
export const uncompensated =
  'what the steps did may still stand, and a retry would do it once more. Choose “Compensate again” on its screen first.';

/** @param isUncompensated - whether a compensation of the order failed */
export function planForOrder(action: OrderAction, id: string, isUncompensated = false): Plan {
  const words = orderActions[action];
  const confirm = action === 'cancel' ? 'Cancel the order' : words.name;
  const isWarned = action === 'retry' && isUncompensated;
  return {
    ...words,
    title: action === 'compensate' ? 'Compensate this order again?' : `${words.name} this order?`,
    ...(isWarned && { warning: `A compensation of the order failed: ${uncompensated}` }),
    confirm: () => confirm,
    targets: [id],
    request: () => ({ action, orderIds: [id] }),
  };
}

export function planForFilter(action: 'cancel' | 'retry', filter: OrderFilter): Plan {
  const words = orderActions[action];
  return {
    ...words,
    name: action === 'cancel' ? 'Cancel all that match' : 'Retry all that match',
    title: `${words.name} all orders that match?`,
    confirm: (count) => `${words.name} ${orders(count)}`,
    preview: { action, filter },
    request: ({ found }) => ({ action, orderIds: found?.orderIds ?? [] }),
  };
}

export function planToHold(userId: string): Plan {
  return {
    name: 'Hold',
    icon: 'lanes',
    title: 'Hold this user?',
    explanation:
      'None of the user’s orders begins before the lane is released. New orders are accepted and wait. An order that runs goes on.',
    confirm: () => 'Hold the user',
    isForOperators: true,
    asks: 'reason',
    targets: [userId],
    request: ({ reason }) => ({
      action: 'hold',
      userIds: [userId],
      ...(reason !== '' && { reason }),
    }),
  };
}

export function planToRelease({ userId, orderId }: LaneView): Plan {
  const isOfOrder = orderId !== undefined;
  return {
    name: 'Release',
    icon: 'unlock',
    title: 'Release this lane?',
    explanation: isOfOrder
      ? 'A failed order holds the lane. It is retried first, unless you choose to skip it; then the user’s other orders go on.'
      : 'The lane is held by hand. The user’s orders go on.',
    confirm: () => 'Release the lane',
    isForOperators: true,
    ...(isOfOrder && { asks: 'then' }),
    targets: [userId],
    request: ({ then }) => ({
      action: 'release',
      lanes: [{ userId, ...(isOfOrder && { orderId }) }],
      ...(isOfOrder && { then }),
    }),
  };
}

/** @param code - those that failed with it; all held lanes without it */
export function planToReleaseAll(code?: string): Plan {
  return {
    name: code === undefined ? 'Release all' : 'Release all with this code',
    icon: 'unlock',
    title: code === undefined ? 'Release all held lanes?' : `Release all held with ${code}?`,
    explanation:
      'The failed orders that hold lanes are retried first, unless you choose to skip them; then the other orders of their users go on.',
    confirm: (count) => `Release ${lanes(count)}`,
    asks: 'then',
    preview: { action: 'release', ...(code !== undefined && { code }) },
    request: ({ then, found }) => ({ action: 'release', then, lanes: found?.lanes ?? [] }),
  };
}

export function planToPause(isPaused: boolean): Plan {
  if (isPaused) {
    return {
      name: 'Resume all',
      icon: 'play',
      title: 'Resume the processor?',
      explanation: 'Orders that wait begin again, in their order.',
      confirm: () => 'Resume',
      request: () => ({ action: 'resume' }),
    };
  }
  return {
    name: 'Pause all',
    icon: 'pause',
    title: 'Pause the processor?',
    explanation:
      'No order begins before the processor is resumed. Orders that run go on; new ones are accepted and wait, as far as there is room.',
    confirm: () => 'Pause',
    isDanger: true,
    request: () => ({ action: 'pause' }),
  };
}

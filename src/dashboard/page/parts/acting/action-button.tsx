import { session } from '../../data/session.ts';
import { useStore } from '../../data/store.ts';
import { Icon } from '../icons.tsx';
import { say } from '../toasts.tsx';
import { confirm } from './dialog.tsx';
import type { Plan } from './plans.ts';

/** Why this person may not act, or not in a way that is for operators; for people. `undefined` if it may. */
export function useReadOnlyReason(isForOperators = false): string | undefined {
  const current = useStore(session);
  if (current.state !== 'ready') return 'The processor has not answered yet.';
  const { role, readOnlyBecause, sees } = current.view;
  if (role === 'operate') {
    return isForOperators && sees !== 'all' ? 'This is for operators.' : undefined;
  }
  return readOnlyBecause === 'no_authentication'
    ? 'Read only: this dashboard has no `authenticate`, so it cannot know who acts.'
    : 'Read only: your role is `read`. Ask for the role `operate` to act.';
}

interface ActionButtonProps {
  readonly plan: Plan;
  readonly isPrimary?: boolean;
}

/** Opens the dialog of an action. Who may not act sees the button, and why it does nothing. */
export function ActionButton({ plan, isPrimary = false }: ActionButtonProps) {
  const reason = useReadOnlyReason(plan.isForOperators);
  const isOff = reason !== undefined;
  return (
    <button
      type="button"
      class={isPrimary && !isOff ? 'button primary' : 'button'}
      aria-disabled={isOff}
      title={reason}
      onClick={() => (isOff ? say('warn', 'Nothing was done', [reason]) : confirm(plan))}
    >
      <Icon name={plan.icon} />
      {plan.name}
    </button>
  );
}

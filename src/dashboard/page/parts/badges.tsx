import type { ComponentChildren } from 'preact';
import type { Status } from '../../api.ts';
import { Icon, type IconName } from './icons.tsx';

export type Tone = 'calm' | 'good' | 'bad' | 'warn' | 'accent';

interface BadgeProps {
  readonly tone?: Tone;
  readonly icon?: IconName;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}

/** A word with a colour and a shape; never a colour alone. */
export function Badge({ tone = 'calm', icon, title, children }: BadgeProps) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {icon && <Icon name={icon} />}
      {children}
    </span>
  );
}

const statuses: Readonly<Record<Status, readonly [tone: Tone, icon: IconName]>> = {
  pending: ['calm', 'wait'],
  processing: ['accent', 'run'],
  completed: ['good', 'check'],
  failed: ['bad', 'cross'],
  canceled: ['warn', 'stop'],
};

export function StatusBadge({ status }: { readonly status: Status }) {
  const [tone, icon] = statuses[status];
  return (
    <Badge tone={tone} icon={icon}>
      {status}
    </Badge>
  );
}

/** A stable code, as it is searched for. */
export function Code({ code }: { readonly code: string }) {
  return (
    <bdi class="mono" title={code}>
      {code}
    </bdi>
  );
}

export function Labels({ labels }: { readonly labels: readonly string[] }) {
  if (labels.length === 0) return null;
  return (
    <ul class="tags" aria-label="Labels">
      {labels.map((label) => (
        <li class="tag" key={label} title={label}>
          <bdi>{label}</bdi>
        </li>
      ))}
    </ul>
  );
}

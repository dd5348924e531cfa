import type { ComponentChildren } from 'preact';
import type { Resource } from '../data/resource.ts';
import { Icon, type IconName } from './icons.tsx';

interface EmptyProps {
  readonly title: string;
  readonly icon?: IconName;
  readonly isGood?: boolean;
  /** What to do. */
  readonly children?: ComponentChildren;
}

/** Says that there is nothing, and what to do. */
export function Empty({ title, icon = 'search', isGood = false, children }: EmptyProps) {
  return (
    <div class={isGood ? 'empty good' : 'empty'}>
      <Icon name={icon} />
      <h3>{title}</h3>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Skeleton() {
  return (
    <div class="skeleton" role="status">
      <span class="hidden-text">Loading</span>
      <i />
      <i />
      <i />
      <i />
    </div>
  );
}

interface ErrorProps {
  readonly message: string;
  readonly onRetry: () => void;
}

export function ErrorNote({ message, onRetry }: ErrorProps) {
  return (
    <div class="banner bad" role="alert">
      <Icon name="attention" />
      <p>
        <bdi>{message}</bdi>
      </p>
      <button type="button" class="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}

interface LoadedProps<T> {
  readonly from: Resource<T>;
  readonly children: (data: T) => ComponentChildren;
}

/** Shows what was loaded; until then that it loads, or why it did not. What was shown stays below a later error. */
export function Loaded<T>({ from: { data, error, reload }, children }: LoadedProps<T>) {
  if (data === undefined) {
    return error ? <ErrorNote message={error.message} onRetry={reload} /> : <Skeleton />;
  }
  return (
    <>
      {error && <ErrorNote message={error.message} onRetry={reload} />}
      {children(data)}
    </>
  );
}

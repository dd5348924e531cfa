import type { StatsView } from '../../api.ts';
import { setServerTime } from './clock.ts';
import { onMessage } from './live.ts';
import { Store } from './store.ts';

/** The last numbers of the processor that came by the stream. */
export const stats = new Store<StatsView | undefined>(undefined);

/** Begins to take them over. */
export function followStats(): void {
  onMessage('stats', (view) => {
    setServerTime(view.now);
    stats.set(view);
  });
  onMessage('overview', (view) => stats.set(view.stats));
  onMessage('points', (view) => stats.set(view.stats));
}

import type { OrderProcessor } from '../core/order-processor.ts';
import type { Observer } from './observe/observer.ts';
import type { DashboardSettings } from './options.ts';

/** What the views are made of. */
export interface Sources {
  readonly processor: OrderProcessor;
  readonly observer: Observer;
  readonly settings: DashboardSettings;
}

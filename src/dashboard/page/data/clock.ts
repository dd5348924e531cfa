import { Store } from './store.ts';

const tickMs = 1_000;
let offsetMs = 0;

/** Takes over the server's clock, since all times are by that. */
export function setServerTime(now: number): void {
  offsetMs = now - Date.now();
  clock.set(serverNow());
}

export function serverNow(): number {
  return Date.now() + offsetMs;
}

/** The server's time, each second while the page is seen. */
export const clock = new Store(serverNow());

export function startClock(): void {
  setInterval(() => {
    if (!document.hidden && clock.hasListeners) clock.set(serverNow());
  }, tickMs);
}

import { setMaxListeners } from 'node:events';

const controllers = new WeakMap<object, AbortController>();
const cuts = new WeakMap<object, AbortController>();

/**
 * Aborts when a processor's server begins to close: streams that have no end of their own end then. The app and the
 * server share nothing but the processor, wherever the app is mounted.
 */
export function draining(processor: object): AbortController {
  return controllerOf(controllers, processor);
}

/**
 * Aborts shortly before a processor's server cuts the requests that it still has: a request that waits for an outcome
 * is answered then with the record as it is.
 */
export function aboutToCut(processor: object): AbortController {
  return controllerOf(cuts, processor);
}

function controllerOf(all: WeakMap<object, AbortController>, processor: object): AbortController {
  let controller = all.get(processor);
  if (controller === undefined) {
    controller = new AbortController();
    // Each request that waits adds one.
    setMaxListeners(0, controller.signal);
    all.set(processor, controller);
  }
  return controller;
}

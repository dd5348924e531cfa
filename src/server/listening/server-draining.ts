import { setMaxListeners } from 'node:events';

const controllers = new WeakMap<object, AbortController>();
const cuts = new WeakMap<object, AbortController>();

/**
 * Aborts when a processor's server is about to shut down: what would go on for as long as its client likes
 * ends then. The app and the server know of each other by the processor alone, wherever the app is mounted.
 */
export function draining(processor: object): AbortController {
  return controllerOf(controllers, processor);
}

/**
 * Aborts when the requests that a processor's server still has are about to be cut: what waits for the end of an order
 * is answered then with what is known of it.
 */
export function aboutToCut(processor: object): AbortController {
  return controllerOf(cuts, processor);
}

function controllerOf(all: WeakMap<object, AbortController>, processor: object): AbortController {
  let controller = all.get(processor);
  if (controller === undefined) {
    controller = new AbortController();
    // One for each request.
    setMaxListeners(0, controller.signal);
    all.set(processor, controller);
  }
  return controller;
}

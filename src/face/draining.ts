const controllers = new WeakMap<object, AbortController>();

/**
 * Aborts when a processor's server is about to shut down: what would go on for as long as its client likes
 * ends then. The app and the server know of each other by the processor alone, wherever the app is mounted.
 */
export function draining(processor: object): AbortController {
  let controller = controllers.get(processor);
  if (controller === undefined) {
    controller = new AbortController();
    controllers.set(processor, controller);
  }
  return controller;
}

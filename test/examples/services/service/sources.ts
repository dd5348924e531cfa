/** Given to `node --import`: `order-processor` is its sources, so that nothing has to be built before. */
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    const found = /^order-processor(?:\/(\w+))?$/.exec(specifier);
    if (found === null) return next(specifier, context);
    const file =
      found[1] === undefined ? '../../../../src/index.ts' : `../../../../src/${found[1]}/index.ts`;
    return next(new URL(file, import.meta.url).href, context);
  },
});

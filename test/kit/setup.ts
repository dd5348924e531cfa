import fc from 'fast-check';
import { seed } from './seed.ts';

// As hosts have it: with the hundred lines of Vitest an error takes longer to make than an order.
Error.stackTraceLimit = 10;

// `SEED` and `REPLAY`, the path, of a failure's report play it again.
const { REPLAY: path } = process.env;
fc.configureGlobal({ seed, ...(path === undefined ? {} : { path }) });

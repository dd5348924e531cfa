/**
 * Starts the service, see service.ts. The first process of a container is not ended by a signal that it does
 * not heed, so it heeds them before anything else is loaded. `serve` does so when it listens.
 */
const signals = ['SIGTERM', 'SIGINT'] as const;

/** Nothing was asked of it yet, and what is in the storage stays there. */
const endEarly = (): never => process.exit(0);

for (const signal of signals) process.on(signal, endEarly);
const { start } = await import('./service.ts');
await start(process.env);
for (const signal of signals) process.off(signal, endEarly);

export {};

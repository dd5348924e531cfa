const given = process.env.SEED ?? '20260701';

/**
 * What random tests begin with. It is the same in each run, so that a failure is one of the change that is tested.
 * `SEED=random` draws another one, `SEED=1234` is that of a failure, which every failure prints.
 */
export const seed = given === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(given);

/**
 * How often a property is tried.
 *
 * @param runs - how often without `RUNS`
 */
export const runsOf = (runs: number): number => Number(process.env.RUNS ?? runs);

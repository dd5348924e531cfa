/** One line of the table. */
export interface Row {
  readonly workload: string;
  readonly figure: string;
  readonly target: number;
  /** `'least'`: the target is met from there up; `'most'`: up to there. */
  readonly bound: 'least' | 'most';
  readonly digits: number;
  readonly measured: (of: MedianOf) => number;
}

/** The median of a contender's figures. */
export type MedianOf = (contender: string) => number;

export const least = (
  workload: string,
  figure: string,
  target: number,
  measured: Row['measured'],
): Row => ({
  workload,
  figure,
  target,
  bound: 'least',
  digits: 2,
  measured,
});
export const most = (
  workload: string,
  figure: string,
  target: number,
  measured: Row['measured'],
): Row => ({
  ...least(workload, figure, target, measured),
  bound: 'most',
  digits: 1,
});

export const ratio =
  (over: string, under: string) =>
  (of: MedianOf): number =>
    of(over) / of(under);

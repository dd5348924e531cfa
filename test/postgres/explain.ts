import type { Session } from '../../src/postgres/sessions/session.ts';

/** A node of a plan that was run. */
export interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/**
 * Runs a statement that the session has prepared.
 *
 * @param values - as SQL has them
 * @returns all nodes of its plan
 */
export async function explain(
  session: Session,
  name: string,
  values: readonly string[],
): Promise<PlanNode[]> {
  const rows = await session.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE "${name}" (${values.join(', ')})`,
  );
  return rows.flatMap((row) => nodesOf(row['QUERY PLAN'][0].Plan));
}

/** What the dashboard of the service asks Prometheus for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '../../../examples/deploy/grafana-dashboard.json');

/** Each expression of PromQL in it. */
export function expressionsOf(dashboard: string = readFileSync(file, 'utf8')): string[] {
  const expressions: string[] = [];
  JSON.parse(dashboard, (key, value) => {
    if (['expr', 'query', 'definition'].includes(key) && /[({]/.test(String(value))) {
      expressions.push(String(value));
    }
    return value;
  });
  return expressions;
}

/** The names of metrics in it: what is left without labels, durations, numbers, functions and operators. */
export function namesIn(expression: string): string[] {
  const bare = expression
    .replace(/label_values\((.*), \w+\)/, '$1')
    .replace(/\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(?:by|without|on|ignoring) ?\([^)]*\)/g, ' ')
    .replace(/\b\w+ *\(|\b(?:and|or|unless|bool)\b|\b\d[\d.e]*\b/g, ' ');
  return bare.match(/[a-zA-Z_:][\w:]*/g) ?? [];
}

/** The names that a scrape declares; for a histogram, the names of its parts. */
export function shownIn(scrape: string): Set<string> {
  const shown = new Set<string>();
  for (const [, name, type] of scrape.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    if (type !== 'histogram') shown.add(name as string);
    else for (const part of ['bucket', 'sum', 'count']) shown.add(`${name}_${part}`);
  }
  return shown;
}

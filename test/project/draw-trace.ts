/**
 * Draws `src/guides/trace.svg` from the spans of a real run: `node test/project/draw-trace.ts`. The spans are those of the
 * example `tracing`, which writes them as JSON where `SPANS` says.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface DrawnSpan {
  readonly name: string;
  readonly id: string;
  readonly parent?: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly isFailed: boolean;
  readonly pauses: readonly { readonly atMs: number; readonly ms: number }[];
}

const root = join(import.meta.dirname, '../..');
const rowHeight = 30;
const left = 230;
const width = 470;

function record(): DrawnSpan[] {
  const folder = mkdtempSync(join(tmpdir(), 'draw-trace-'));
  const file = join(folder, 'spans.json');
  execFileSync(process.execPath, [join(root, 'examples/run.ts'), 'tracing'], {
    env: { ...process.env, SPANS: file },
  });
  const spans = JSON.parse(readFileSync(file, 'utf8'));
  rmSync(folder, { recursive: true });
  return spans;
}

/** Each span below the one that it belongs to. */
function inTree(spans: readonly DrawnSpan[], parent?: string, depth = 0): [DrawnSpan, number][] {
  return spans
    .filter((span) => span.parent === parent)
    .toSorted((one, other) => one.startMs - other.startMs)
    .flatMap((span) => [
      [span, depth] as [DrawnSpan, number],
      ...inTree(spans, span.id, depth + 1),
    ]);
}

function draw(spans: readonly DrawnSpan[]): string {
  const rows = inTree(spans);
  const begin = Math.min(...spans.map(({ startMs }) => startMs));
  const all = Math.max(...spans.map(({ endMs }) => endMs)) - begin;
  const x = (ms: number): number => Math.round(left + ((ms - begin) / all) * width);
  const parts = rows.map(([{ name, startMs, endMs, isFailed }, depth], at) => {
    const y = 16 + at * rowHeight;
    const w = Math.max(3, x(endMs) - x(startMs));
    const kind = isFailed ? ' class="f"' : '';
    return `<text x="${16 + depth * 16}" y="${y + 15}">${name}</text><rect${kind} x="${x(startMs)}" y="${y + 2}" width="${w}" height="18" rx="4"/>`;
  });
  // A pause stands beside the attempt that it follows.
  const pauses = spans.flatMap((span) => span.pauses);
  const marks = pauses.map(({ atMs, ms }) => {
    const gap = ({ endMs, isFailed }: DrawnSpan) => (isFailed ? Math.abs(endMs - atMs) : Infinity);
    const gaps = rows.map(([span]) => gap(span));
    const y = 16 + gaps.indexOf(Math.min(...gaps)) * rowHeight;
    const end = x(atMs + ms);
    return `<path d="M${x(atMs)} ${y + 11}H${end}"/><text class="l" x="${end + 6}" y="${y + 15}">pause</text>`;
  });
  const at = (name: string): number => rows.findIndex(([span]) => span.name === name);
  const [from, to] = [at('process orders'), at('send orders')].map(
    (row) => 16 + row * rowHeight + 11,
  );
  const linkX = left - 14;
  const link = `<path class="k" d="M${linkX} ${from}V${to}" marker-end="url(#a)"/><text class="l" x="${linkX - 6}" y="${((from ?? 0) + (to ?? 0)) / 2 + 4}" text-anchor="end">link</text>`;
  const height = 16 + rows.length * rowHeight + 6;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 ${height}" role="img" aria-labelledby="t">
<title id="t">The trace of a delivery: the request with send, and process with its steps, a retry and settle, which is linked to it</title>
<style>
rect{fill:#2f6db5}rect.f{fill:#c0392b}
text{font:13px system-ui,sans-serif;fill:#16202c}text.l{font-size:11px;fill:#555}
path{fill:none;stroke:#16202c;stroke-width:2;stroke-dasharray:2 3}path.k{stroke:#555;stroke-width:1.5;stroke-dasharray:none}marker path{fill:#555;stroke:none}
@media (prefers-color-scheme: dark){rect{fill:#6aa5e8}rect.f{fill:#e57368}text{fill:#e8eef5}text.l{fill:#b8c0c8}path{stroke:#e8eef5}path.k{stroke:#b8c0c8}}
</style>
<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
${[...parts, ...marks].join('\n')}
${link}
</svg>
`;
}

writeFileSync(join(root, 'src/guides/trace.svg'), draw(record()));

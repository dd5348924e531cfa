/** Rooms and their direction (design, "Rooms"), read from the imports themselves; types count. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone when the types are. */
  readonly isType: boolean;
}

const source = join(import.meta.dirname, '../../src');
const isSource = (file: string): boolean => /\.tsx?$/.test(file);
/** What is generated is taken as it is. */
const isGenerated = (file: string): boolean => file.includes('grpc/gen/');
const files = globSync('**/*.{ts,tsx}', { cwd: source })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !isGenerated(file))
  .sort();
const imports = files.flatMap(importsOf);
const packages = imports.filter(({ to }) => !isSource(to) && !isGenerated(to));

/**
 * Rooms, the upper ones first. A room imports from the rooms of later rows only. A file at the top of the core, or of
 * the dashboard's page, is a room of its own.
 */
const rows: readonly (readonly string[])[] = [
  ['dashboard/page/main.tsx'],
  ['dashboard/page/app'],
  ['dashboard/page/screens'],
  ['dashboard/page/charts'],
  ['dashboard/page/parts'],
  ['dashboard/page/data', 'dashboard/page/styles'],
  [
    'index.ts',
    'dashboard',
    'http',
    'grpc',
    'opentelemetry',
    'postgres',
    'prometheus',
    'sqlite',
    'testing',
  ],
  ['server', 'metrics'],
  ['core/order-processor.ts'],
  ['core/shutdown.ts'],
  ['core/engine.ts'],
  ['core/read-stats.ts'],
  ['core/options.ts'],
  ['core/admission'],
  ['core/processing'],
  ['core/settlement', 'core/durability', 'core/queries'],
  ['core/lifecycle'],
  ['core/storage', 'core/steps'],
  ['core/tracing'],
  ['core/order', 'core/queue'],
  ['core/runtime', 'core/collections'],
];

/** A room's own row; no row for a room that the table lacks. */
const rowOf = (room: string): number => rows.findIndex((row) => row.includes(room));

/** The folders below a room only keep its files apart. */
function roomOf(file: string): string {
  const [first, ...rest] = file.split('/') as [string, ...string[]];
  if (file.startsWith('dashboard/page/')) return `dashboard/page/${rest[1]}`;
  return first === 'core' ? `core/${rest[0]}` : first;
}

/** Imports that still run upwards; each is a fault to be mended, and none may be added. */
const upwards: readonly string[] = [];

/** Files that still need themselves through others. */
const circles: readonly string[] = [];

/** Files that still have more than 300 lines. */
const long: readonly string[] = [];

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const { statements } = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  return statements.flatMap((statement): Import[] => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return [];
    const { text: name } = moduleSpecifier;
    if (name.endsWith('.css')) return [];
    const to = name.startsWith('.') ? normalize(join(dirname(file), name)) : name;
    return [{ from: file, to: to.replaceAll('\\', '/'), isType: isTypeOnly(statement) }];
  });
}

function isTypeOnly(statement: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause, isTypeOnly } = statement;
    if (isTypeOnly || exportClause === undefined || !ts.isNamedExports(exportClause)) {
      return isTypeOnly;
    }
    return exportClause.elements.every((element) => element.isTypeOnly);
  }
  const clause = statement.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const { name, namedBindings } = clause;
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) {
    return false;
  }
  return namedBindings.elements.every((element) => element.isTypeOnly);
}

/** Nodes that lead back to themselves. */
function circlesOf(edges: readonly { readonly from: string; readonly to: string }[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) {
    if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  }
  const reach = (start: string): Set<string> => {
    const seen = new Set<string>();
    const open = [...(next.get(start) ?? [])];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      open.push(...(next.get(node) ?? []));
    }
    return seen;
  };
  return [...next.keys()].filter((node) => reach(node).has(node)).sort();
}

const own = imports.filter(({ to }) => isSource(to) && files.includes(to));

describe('rooms', () => {
  it('every room is in the table, and every row is a room', () => {
    const rooms = new Set(files.map(roomOf));
    expect([...rooms].filter((room) => rowOf(room) === -1)).toEqual([]);
    expect(rows.flat().filter((room) => !rooms.has(room))).toEqual([]);
  });

  it('imports run downwards, types included', () => {
    const wrong = own
      .filter(({ from, to }) => roomOf(from) !== roomOf(to))
      .filter(({ from, to }) => rowOf(roomOf(from)) >= rowOf(roomOf(to)))
      .map(({ from, to }) => `${from} → ${to}`);
    expect([...new Set(wrong)].sort()).toEqual([...upwards].sort());
  });

  it('no file needs itself through others, types included', () => {
    expect(circlesOf(own)).toEqual(circles);
  });

  it('a room has at most a dozen files', () => {
    const counts = Map.groupBy(files, (file) => dirname(file));
    const full = [...counts].filter(([, { length }]) => length > 12).map(([room]) => room);
    expect(full).toEqual([]);
  });

  it('a file has at most 300 lines, the public class apart', () => {
    const lines = (file: string): number =>
      readFileSync(join(source, file), 'utf8').split('\n').length - 1;
    const styles = globSync('**/*.css', { cwd: source });
    const found = [...files, ...styles].filter(
      (file) => file !== 'core/order-processor.ts' && lines(file) > 300,
    );
    expect(found).toEqual([...long].sort());
  });

  it('an order changes its state in one file', () => {
    const writers = files.filter(
      (file) =>
        file.startsWith('core/') &&
        !file.startsWith('core/steps/') &&
        /\.state = /.test(readFileSync(join(source, file), 'utf8')),
    );
    expect(writers).toEqual(['core/lifecycle/order-state.ts']);
    const movers = files.filter((file) =>
      /import [^;]*\bmoveTo\b[^;]*order-state/.test(readFileSync(join(source, file), 'utf8')),
    );
    expect(movers).toEqual(['core/lifecycle/lifecycle.ts']);
  });
});

describe('packages', () => {
  it('every import is one of the library, of its dependencies or of Node', () => {
    for (const { to } of imports) {
      const isKnown =
        files.includes(to) ||
        isGenerated(to) ||
        /^(node:.*|p-queue|eventemitter3|hono|hono\/.*|@hono\/node-server|pg|zod|prom-client|@opentelemetry\/api|@bufbuild\/protobuf.*|@connectrpc\/connect(-node)?|preact|preact\/.*|uplot)$/.test(
          to,
        );
      expect(isKnown, to).toBe(true);
    }
  });

  it.each([
    ['p-queue', 'core/processing/worker-pool.ts'],
    ['eventemitter3', 'core/lifecycle/events.ts'],
  ])('%s is imported by %s alone', (name, file) => {
    expect(packages.filter(({ to }) => to === name).map(({ from }) => from)).toEqual([file]);
  });

  it.each([
    ['hono', 'http'],
    ['@hono/node-server', 'http'],
    ['zod', 'http'],
    ['@bufbuild/protobuf', 'grpc'],
    ['@connectrpc/connect', 'grpc'],
    ['pg', 'postgres'],
    ['prom-client', 'prometheus'],
    ['@opentelemetry/api', 'opentelemetry'],
  ])('%s, an optional peer, is imported by %s/ alone', (name, folder) => {
    const users = packages.filter(({ to }) => to === name || to.startsWith(`${name}/`));
    expect(users.filter(({ from }) => !from.startsWith(`${folder}/`))).toEqual([]);
  });

  it.each(['server', 'grpc', 'http', 'metrics', 'opentelemetry', 'prometheus'])(
    '%s/ needs nothing of the core but types, errors, and what needs nothing itself',
    (folder) => {
      const needed = own.filter(
        ({ from, to, isType }) =>
          from.startsWith(`${folder}/`) && !isType && to.startsWith('core/'),
      );
      const isLeaf = (file: string): boolean =>
        file === 'core/order/order-error.ts' ||
        own.every(
          ({ from, isType, to }) => from !== file || isType || dirname(to) === 'core/runtime',
        );
      expect([...new Set(needed.map(({ to }) => to))].filter((file) => !isLeaf(file))).toEqual([]);
    },
  );

  // They are built into the page, so that the package does not depend on them.
  it.each(['preact', 'uplot'])('%s is imported by the page of the dashboard alone', (name) => {
    const users = packages.filter(({ to }) => to === name || to.startsWith(`${name}/`));
    expect(users.filter(({ from }) => !from.startsWith('dashboard/page/'))).toEqual([]);
  });

  it('the page of the dashboard needs nothing of the library but the types of its API', () => {
    const needed = own.filter(
      ({ from, to }) => from.startsWith('dashboard/page/') && !to.startsWith('dashboard/page/'),
    );
    const isApi = ({ to, isType }: Import) => to === 'dashboard/api.ts' && isType;
    expect(needed.filter((each) => !isApi(each))).toEqual([]);
  });

  it('the storage contract needs nothing but the type of an answer', () => {
    const needed = imports.filter(({ from }) => from === 'core/storage/balance-storage.ts');
    expect(needed.map(({ to }) => to)).toEqual(['core/runtime/awaitable.ts']);
  });

  it('nothing imports the entry', () => {
    expect(imports.filter(({ to }) => to === 'index.ts')).toEqual([]);
  });
});

/** Dependencies point inward (design, Layout): read from the imports themselves. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone when the types are: then it makes no cycle. */
  readonly isType: boolean;
}

const source = join(import.meta.dirname, '../../src');
/** What is generated is taken as it is. */
const isGenerated = (file: string): boolean => file.includes('grpc/gen/');
const files = globSync('**/*.ts', { cwd: source })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !isGenerated(file))
  .sort();
const imports = files.flatMap(importsOf);
const packages = imports.filter(({ to }) => !to.endsWith('.ts') && !isGenerated(to));

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  const { statements } = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  return statements.flatMap((statement): Import[] => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const { moduleSpecifier } = statement;
    if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) return [];
    const { text: name } = moduleSpecifier;
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

/** A file and those it needs at run time, when they lead back to it. */
function cycleFrom(file: string, path: readonly string[] = []): readonly string[] | undefined {
  if (path.includes(file)) return file === path[0] ? [...path, file] : undefined;
  for (const { to, isType } of imports.filter(({ from }) => from === file)) {
    if (isType || !to.endsWith('.ts')) continue;
    const cycle = cycleFrom(to, [...path, file]);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('dependencies point inward', () => {
  it('every import is one of the library, of its dependencies or of Node', () => {
    for (const { to } of imports) {
      const isKnown =
        files.includes(to) ||
        isGenerated(to) ||
        /^(node:.*|p-queue|eventemitter3|hono|hono\/.*|@hono\/node-server|zod|prom-client|@bufbuild\/protobuf.*|@connectrpc\/connect(-node)?)$/.test(
          to,
        );
      expect(isKnown, to).toBe(true);
    }
  });

  it.each([
    ['p-queue', 'worker-pool.ts'],
    ['eventemitter3', 'events.ts'],
  ])('%s is imported by %s alone', (name, file) => {
    expect(packages.filter(({ to }) => to === name).map(({ from }) => from)).toEqual([file]);
  });

  it.each([
    ['hono', 'http'],
    ['@hono/node-server', 'http'],
    ['zod', 'http'],
    ['@bufbuild/protobuf', 'grpc'],
    ['@connectrpc/connect', 'grpc'],
    ['prom-client', 'prometheus'],
  ])('%s, an optional peer, is imported by %s/ alone', (name, folder) => {
    const users = packages.filter(({ to }) => to === name || to.startsWith(`${name}/`));
    expect(users.filter(({ from }) => !from.startsWith(`${folder}/`))).toEqual([]);
  });

  it.each(['face', 'grpc', 'http', 'prometheus'])(
    '%s/ needs nothing of the core but types, errors, and what needs nothing itself',
    (folder) => {
      const leaves = [
        'awaitable.ts',
        'checks.ts',
        'cursor.ts',
        'errors.ts',
        'issue.ts',
        'linked-list.ts',
        'order-id.ts',
        'size-of.ts',
        'system-time.ts',
      ];
      const needed = imports.filter(
        ({ from, to, isType }) =>
          from.startsWith(`${folder}/`) &&
          to.endsWith('.ts') &&
          !isType &&
          !to.startsWith(`${folder}/`) &&
          !to.startsWith('face/'),
      );
      expect(needed.filter(({ to }) => !leaves.includes(to))).toEqual([]);
    },
  );

  it('no file needs itself through others, types apart', () => {
    expect(files.map((file) => cycleFrom(file)).filter(Boolean)).toEqual([]);
  });

  it('storages know nothing of what calls them', () => {
    const callers = ['engine.ts', 'dispatch.ts', 'order-processor.ts', 'settle.ts', 'intake.ts'];
    const outward = imports.filter(
      ({ from, to }) => from.startsWith('storage/') && callers.includes(to),
    );
    expect(outward).toEqual([]);
  });

  it('the storage contract needs nothing but the type of an answer', () => {
    const needed = imports.filter(({ from }) => from === 'storage/balance-storage.ts');
    expect(needed.map(({ to }) => to)).toEqual(['awaitable.ts']);
  });

  it('nothing imports the entry', () => {
    expect(imports.filter(({ to }) => to === 'index.ts')).toEqual([]);
  });
});

/**
 * What README.md, the guides and the docstrings show is true: every ```ts block compiles as a program of its own,
 * and one that prints prints what it says, in `// prints: …` comments or in the ```text block that
 * follows it. The type tests are compiled beside them.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { Client } from 'pg';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import tsup, { pageInside, workerInside } from '../../tsup.config.ts';
import { isFull } from '../kit/full.ts';
import { PostgresServer } from '../kit/postgres-server.ts';

interface Block {
  /** Where a reader finds it. */
  readonly place: string;
  readonly code: string;
  readonly printed: string | undefined;
}

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/order-processor-docs');
const sources = globSync('src/**/*.ts', { cwd: root }).sort();
const blocks = [
  ...['README.md', ...globSync('src/guides/*.md', { cwd: root })].flatMap((file) =>
    blocksOf(file, readFileSync(join(root, file), 'utf8')),
  ),
  ...sources.flatMap((file) => blocksOf(file, commentsOf(join(root, file)))),
];
const fileOf = new Map(blocks.map((block, index) => [block, join(root, `block-${index}.ts`)]));
const codeOf = new Map(blocks.map((block) => [fileOf.get(block) as string, block.code]));
/** In the same program, since to read the sources takes most of the time. */
const typeTests = globSync('test/types/*.test-d.ts', { cwd: root }).sort();
let compiled: ts.Program;

/** Comment lines without their asterisks, every other line empty, so that line numbers stay. */
function commentsOf(path: string): string {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.map((line) => /^\s*\* ?(.*)$/.exec(line)?.[1] ?? '').join('\n');
}

function blocksOf(file: string, text: string): Block[] {
  const form = /^```ts\n(.*?)^```\n(?:\s*^```text\n(.*?)^```\n)?/gms;
  return [...text.matchAll(form)].map(({ index, 1: code = '', 2: output }) => {
    const line = text.slice(0, index).split('\n').length;
    const comments = [...code.matchAll(/\/\/ prints: (.*)$/gm)].map(([, printed]) => printed);
    const printed = output ?? (comments.length > 0 ? `${comments.join('\n')}\n` : undefined);
    return { place: `${file}:${line}`, code, printed };
  });
}

function compile(): ts.Program {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  // An older target, since `await using` is no syntax of Node 22.
  const target = ts.ScriptTarget.ES2022;
  const host = ts.createCompilerHost({ ...options, target });
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => codeOf.has(path) || fileExists(path);
  host.readFile = (path) => codeOf.get(path) ?? readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const code = codeOf.get(path);
    return code === undefined
      ? getSourceFile(path, languageVersion, ...rest)
      : ts.createSourceFile(path, code, languageVersion);
  };
  return ts.createProgram(
    [...codeOf.keys(), ...typeTests.map((file) => join(root, file))],
    { ...options, target, noEmit: false },
    host,
  );
}

/** What the compiler has against a file, by the lines of it. */
function complaintsOf(path: string): string[] {
  const source = compiled.getSourceFile(path);
  return ts.getPreEmitDiagnostics(compiled, source).map(({ start = 0, messageText }) => {
    const line = source?.getLineAndCharacterOfPosition(start).line ?? 0;
    return `line ${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** The program of a block, beside a build of the sources that it finds as `order-processor`. */
function emit(block: Block): string {
  const file = fileOf.get(block) as string;
  const output = join(cache, relative(root, file).replace(/\.ts$/, '.mjs'));
  compiled.emit(compiled.getSourceFile(file), (_, text) => writeFileSync(output, text));
  return output;
}

/** Whether a block needs a PostgreSQL. Those that do run in `npm run full` alone, each on a database of its own. */
const needsDatabase = ({ code }: Block): boolean => code.includes('DATABASE_URL');
let server: PostgresServer | undefined;
let databases = 0;

async function newDatabase(): Promise<string> {
  const { url } = server as PostgresServer;
  const admin = new Client({ connectionString: url });
  await admin.connect();
  databases += 1;
  const name = `block_${databases}`;
  await admin.query(`CREATE DATABASE ${name}`);
  await admin.end();
  return url.replace(/[^/]*$/, name);
}

/** What blocks print, each in a folder of its own, since some write files. */
async function printsOf(some: readonly Block[]): Promise<Record<string, string>> {
  const DATABASE_URL = some.some(needsDatabase) ? await newDatabase() : '';
  const folder = mkdtempSync(join(tmpdir(), 'blocks-'));
  const programs = some.map((block) => {
    const { place, printed } = block;
    return { place, printed, program: emit(block) };
  });
  const runner = join(import.meta.dirname, 'run-blocks.ts');
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [runner, JSON.stringify(programs)],
    { timeout: 60_000, cwd: folder, env: { ...process.env, DATABASE_URL } },
  );
  rmSync(folder, { recursive: true });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  rmSync(cache, { recursive: true, force: true });
  const home = join(cache, 'node_modules/order-processor');
  mkdirSync(home, { recursive: true });
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
  await build({
    entryPoints: (tsup as { entry: Record<string, string> }).entry,
    plugins: [workerInside, pageInside],
    absWorkingDir: root,
    outdir: join(home, 'dist'),
    bundle: true,
    packages: 'external',
    splitting: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
  });
  compiled = compile();
  if (isFull) server = await PostgresServer.start();
}, 60_000);
afterAll(() => server?.[Symbol.asyncDispose]());

test('there are blocks to check', () => {
  expect(blocks.length).toBeGreaterThan(10);
});

describe('every block compiles', () => {
  test.each(blocks)('$place', (block) => {
    expect(complaintsOf(fileOf.get(block) as string)).toEqual([]);
  });
});

describe('every type test compiles', () => {
  test.each(typeTests)('%s', (file) => {
    expect(complaintsOf(join(root, file))).toEqual([]);
  });
});

describe('what a block prints is what it says', () => {
  const printing = blocks.filter(({ code }) => code.includes('console.log('));
  /** `npm test` runs what a reader copies first, and compiles the others: they take long. */
  const isFirst = ({ place }: Block): boolean => /^README|getting-started/.test(place);
  const run = printing.filter((block) => isFull || isFirst(block));

  /** Starts them one after the other in one process, which takes a tenth of the time. */
  let together: Promise<Readonly<Record<string, string>>> | undefined;
  const printedTogether = async (block: Block): Promise<string | undefined> => {
    together ??= printsOf(run);
    return (await together)[block.place];
  };

  test.concurrent.each(run)('$place', async (block) => {
    // Each ends by itself, too.
    const printed = isFull
      ? await printsOf([block])
      : { [block.place]: await printedTogether(block) };
    expect(printed[block.place]).toBe(block.printed);
  });

  test('nothing is said to be printed by a block that prints nothing', () => {
    const silent = blocks.filter((block) => !printing.includes(block));
    expect(silent.filter(({ printed }) => printed !== undefined)).toEqual([]);
  });
});

/** The anchors of a page's titles, as the places that show Markdown make them. */
function anchorsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8').replace(/^```.*?^```/gms, '');
  const titles = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title.toLowerCase());
  return titles.map((title) => title.replace(/[^\w\- ]/g, '').replaceAll(' ', '-'));
}

describe('every link to a file, and to a title in it, leads to one', () => {
  const pages = globSync(['*.md', '{examples,src/guides}/**/*.md'], { cwd: root }).sort();

  test.each(pages)('%s', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
    const missing = links.filter(([, to = '', anchor]) => {
      const path = to === '' ? join(root, page) : join(root, dirname(page), to);
      if (!existsSync(path)) return true;
      return anchor !== undefined && !anchorsOf(path).includes(anchor);
    });
    expect(missing.map(([link]) => link)).toEqual([]);
  });
});

test('llms.txt lists every guide', () => {
  const text = readFileSync(join(root, 'src/guides/llms.txt'), 'utf8');
  const listed = [...text.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, page]) => page);
  const guides = globSync('*.md', { cwd: join(root, 'src/guides') });
  expect([...new Set(listed)].sort()).toEqual(guides.sort());
});

test('README.md has at most 300 lines', () => {
  const lines = readFileSync(join(root, 'README.md'), 'utf8').split('\n');
  expect(lines.length).toBeLessThanOrEqual(300);
});

test.each(['CONTRIBUTING.md', 'src/guides/order-elsewhere.md'])(
  'every file and folder that %s names is there',
  (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const named = [...text.matchAll(/`([\w./-]+(?:\/|\.ts))`/g)].map(([, path = '']) => path);
    const paths = globSync('{src,test,examples}/**', { cwd: root, withFileTypes: true }).map(
      (entry) =>
        `/${relative(root, join(entry.parentPath, entry.name))}${entry.isFile() ? '' : '/'}`,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !paths.some((path) => path.endsWith(`/${name}`)))).toEqual([]);
  },
);

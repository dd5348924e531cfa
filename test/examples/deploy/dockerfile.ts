/** As much of Docker as a test needs: reads a Dockerfile, and carries its build out in folders. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, posix, relative } from 'node:path';

/** An instruction, with continued lines put together. */
export interface Instruction {
  readonly name: string;
  /** `--from=…` and the like. */
  readonly flags: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

const known = /^(ARG|CMD|COPY|ENV|EXPOSE|FROM|HEALTHCHECK|RUN|STOPSIGNAL|USER|VOLUME|WORKDIR)$/;

function instructionsOf(source: string): Instruction[] {
  const lines = source.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  const whole = lines
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n');
  return whole.map((line) => {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (!known.test(name)) throw new Error(`The test does not know this instruction: ${line}`);
    const flags: Record<string, string> = {};
    const text = rest.replace(/--([\w-]+)=(\S+)\s+/gy, (_, flag, value) => {
      flags[flag] = value;
      return '';
    });
    return { name, flags, text };
  });
}

/** The stages, in their order; the arguments before the first are put in. */
export function stagesOf(source: string): Stage[] {
  const args: Record<string, string> = {};
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsOf(source)) {
    const { name, text } = instruction;
    const stage = stages.at(-1);
    if (name === 'FROM') {
      const [image = '', , alias = 'final'] = text.split(/\s+/);
      const base = image.replace(/\$\{(\w+)\}/g, (_, arg) => args[arg] ?? `unknown ${arg}`);
      stages.push({ name: alias, base, instructions: [] });
    } else if (stage !== undefined) stage.instructions.push(instruction);
    else if (name === 'ARG') {
      const [arg = '', value = ''] = text.split('=');
      args[arg] = value;
    } else throw new Error(`${name} before FROM`);
  }
  return stages;
}

/** The last one of its kind, as Docker takes it. */
export function lastOf(stage: Stage, name: string): Instruction | undefined {
  return stage.instructions.findLast((instruction) => instruction.name === name);
}

/** The exec form, without a shell between; `undefined` if it is another one. */
export function execOf(text: string): string[] | undefined {
  const [, json] = /(\[.*\])\s*$/.exec(text) ?? [];
  return json === undefined ? undefined : (JSON.parse(json) as string[]);
}

export function envOf(stage: Stage): Record<string, string> {
  const all = stage.instructions.filter(({ name }) => name === 'ENV');
  return Object.fromEntries(
    all.flatMap(({ text }) => text.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
  );
}

/** What a stage has become: a folder for its root. */
export class Carried {
  readonly root: string;
  workdir = '/';

  constructor(root: string) {
    this.root = root;
    mkdirSync(root, { recursive: true });
  }

  /** A path of the image, on this machine. */
  at(path: string): string {
    return join(this.root, posix.resolve('/', this.workdir, path));
  }

  /** What a process of the image would have in its environment. */
  env(stage: Stage): Record<string, string> {
    const own = Object.entries(envOf(stage));
    return Object.fromEntries(own.map(([k, v]) => [k, isAbsolute(v) ? this.at(v) : v]));
  }
}

/** Builds all stages below a folder. */
export async function carryOut(
  stages: readonly Stage[],
  context: string,
  ignored: (path: string) => boolean,
  folder: string,
): Promise<Map<string, Carried>> {
  const built = new Map<string, Carried>();
  for (const stage of stages) {
    const carried = new Carried(join(folder, stage.name));
    built.set(stage.name, carried);
    for (const instruction of stage.instructions) {
      const { name, text } = instruction;
      if (name === 'WORKDIR') {
        carried.workdir = posix.resolve(carried.workdir, text);
        mkdirSync(carried.at('.'), { recursive: true });
      } else if (name === 'COPY') copy(instruction, carried, built, context, ignored);
      else if (name === 'RUN') await run(text, carried.at('.'), carried.env(stage));
    }
  }
  return built;
}

function copy(
  { text, flags }: Instruction,
  to: Carried,
  built: ReadonlyMap<string, Carried>,
  context: string,
  ignored: (path: string) => boolean,
): void {
  const paths = text.split(/\s+/);
  const target = paths.pop() as string;
  const from = flags.from === undefined ? undefined : built.get(flags.from);
  if (flags.from !== undefined && from === undefined) throw new Error(`No stage ${flags.from}`);
  const root = from?.root ?? context;
  const isHidden = (path: string): boolean =>
    from === undefined && ignored(relative(context, path));
  const sources = paths.flatMap((path) => {
    const found = globSync(join(root, path)).filter((each) => !isHidden(each));
    if (found.length === 0) throw new Error(`There is nothing to copy at ${path}`);
    return found;
  });
  const place = to.at(target);
  const isFolder = target.endsWith('/') || existsSync(place);
  if (sources.length > 1 && !isFolder) throw new Error(`Several for one place: ${text}`);
  for (const source of sources) {
    const intoFolder = isFolder && !statSync(source).isDirectory();
    const destination = intoFolder ? join(place, basename(source)) : place;
    mkdirSync(dirname(destination), { recursive: true });
    cpSync(source, destination, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (each) => !isHidden(each) || statSync(each).isDirectory(),
    });
  }
}

/** What npm and Vitest say of the project that the test runs in is nothing for the one in the image. */
const ofTheProject =
  /^npm_(?!config_(registry|cache|cafile|proxy|https_proxy|noproxy|offline|prefer_offline)$)|^(NODE_(ENV|OPTIONS|PATH|V8_COVERAGE|COMPILE_CACHE)|VITEST.*|INIT_CWD)$/i;

/** After this time it counts as failed. */
const runLimitMs = 200_000;

async function run(script: string, cwd: string, env: Record<string, string>): Promise<void> {
  const outer = Object.entries(process.env).filter(([name]) => !ofTheProject.test(name));
  const child = spawn('sh', ['-c', script], {
    cwd,
    env: { ...Object.fromEntries(outer), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // With what it starts itself it can be ended as a group.
    detached: true,
  });
  let output = '';
  const note = (text: Buffer): void => {
    output += text;
  };
  child.stdout.on('data', note);
  child.stderr.on('data', note);
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), runLimitMs);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  if (code !== 0) throw new Error(`RUN ${script} ended with ${code ?? signal}:\n${output}`);
}

/** Whether a path is left out, as a `.dockerignore` has it: the last line that fits decides. */
export function ignoring(file: string): (path: string) => boolean {
  const lines = readFileSync(file, 'utf8').split('\n');
  const patterns = lines
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => {
      const text = line.replace(/^!/, '');
      const source = text
        .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
        .replace(/\*\*\/|\*/g, (stars) => (stars === '*' ? '[^/]*' : '(?:.*/)?'));
      return { isKept: line.startsWith('!'), form: new RegExp(`^${source}(?:/|$)`) };
    });
  return (path) => {
    const last = patterns.findLast(({ form }) => form.test(path));
    return last !== undefined && !last.isKept;
  };
}

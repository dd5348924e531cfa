/** The manifests of the service: one folder for a file, and one for a database that several pods share. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  PrometheusRule,
  ServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Service } from 'kubernetes-models/v1';
import ts from 'typescript';
import { parse } from 'yaml';
import { readSettings, type Settings } from '../../../examples/services/service/settings.ts';
import { envOf, type Stage, stagesOf } from './dockerfile.ts';

const root = join(import.meta.dirname, '../../..');
const deploy = join(root, 'examples/deploy');

/** The model of each kind, and the module that has its type. */
export const kinds = {
  ConfigMap: [ConfigMap, 'kubernetes-models/v1'],
  Deployment: [Deployment, 'kubernetes-models/apps/v1'],
  NetworkPolicy: [NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'],
  PodDisruptionBudget: [PodDisruptionBudget, 'kubernetes-models/policy/v1'],
  PrometheusRule: [
    PrometheusRule,
    '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  ],
  Service: [Service, 'kubernetes-models/v1'],
  ServiceMonitor: [
    ServiceMonitor,
    '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  ],
  StatefulSet: [StatefulSet, 'kubernetes-models/apps/v1'],
} as const;

// biome-ignore lint/suspicious/noExplicitAny: the schemas say what is in them
export type Manifest = any;

/** The last stage of the Dockerfile: what is started. */
export const image = stagesOf(readFileSync(join(deploy, 'Dockerfile'), 'utf8')).at(-1) as Stage;

/** A folder of manifests. */
export class ManifestSet {
  readonly files: readonly string[];
  readonly kustomization: Manifest;
  readonly manifests: readonly Manifest[];
  /** The one that makes the pods. */
  readonly workload: Manifest;
  /** What the secret has, by the variables that it becomes. */
  readonly secret: Readonly<Record<string, string>>;
  readonly #folder: string;

  constructor(name: string, workload: string, secret: Readonly<Record<string, string>>) {
    this.#folder = join(deploy, name);
    this.files = readdirSync(this.#folder).sort();
    this.kustomization = this.#read('kustomization.yaml');
    const others = this.files.filter((file) => file !== 'kustomization.yaml');
    this.manifests = others.map((file) => this.#read(file));
    this.workload = this.only(workload);
    this.secret = secret;
  }

  /** The one of its kind, and of its name where there are several. */
  only(kind: string, name = 'order-service'): Manifest {
    const [found, ...others] = this.manifests.filter(
      ({ kind: its, metadata }) => its === kind && metadata.name === name,
    );
    if (found === undefined || others.length > 0) throw new Error(`Expected one ${kind} ${name}`);
    return found;
  }

  get pod(): Manifest {
    return this.workload.spec.template;
  }

  get container(): Manifest {
    return this.pod.spec.containers[0];
  }

  /** What the service makes of the variables that it gets. */
  get settings(): Settings {
    return readSettings({ ...envOf(image), ...this.only('ConfigMap').data, ...this.secret });
  }

  #read(file: string): Manifest {
    return parse(readFileSync(join(this.#folder, file), 'utf8'), { strict: true });
  }
}

/**
 * What the compiler has against manifests as objects of their types: the names that no schema knows. One program
 * compiles all groups, since the types take seconds.
 */
export function complaintsOf(groups: readonly (readonly Manifest[])[]): string[][] {
  const codeOf = new Map(
    groups.map((group, at) => [join(root, `manifests-${at}.ts`), codeOfGroup(group)]),
  );
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => codeOf.has(path) || fileExists(path);
  host.readFile = (path) => codeOf.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const code = codeOf.get(path);
    return code === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, code, version);
  };
  const program = ts.createProgram([...codeOf.keys()], options, host);
  return [...codeOf.keys()].map((path) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
  );
}

function codeOfGroup(group: readonly Manifest[]): string {
  const lines = group.map((manifest, at) => {
    const [, module] = kinds[manifest.kind as keyof typeof kinds];
    const type = `import('${module}').I${manifest.kind}`;
    return `export const manifest${at}: ${type} = ${JSON.stringify(manifest)};`;
  });
  return lines.join('\n');
}

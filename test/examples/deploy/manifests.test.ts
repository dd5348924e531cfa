/**
 * The manifests of the service: each fits the schema of its kind, and what they say of ports, paths,
 * variables and times is what the service does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { StatefulSet } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Service } from 'kubernetes-models/v1';
import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { names, readSettings } from '../../../examples/services/service/settings.ts';
import { envOf, lastOf, type Stage, stagesOf } from './dockerfile.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, 'examples/deploy');
const kinds = {
  ConfigMap: [ConfigMap, 'kubernetes-models/v1'],
  NetworkPolicy: [NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'],
  PodDisruptionBudget: [PodDisruptionBudget, 'kubernetes-models/policy/v1'],
  Service: [Service, 'kubernetes-models/v1'],
  ServiceMonitor: [
    ServiceMonitor,
    '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
  ],
  StatefulSet: [StatefulSet, 'kubernetes-models/apps/v1'],
} as const;

// biome-ignore lint/suspicious/noExplicitAny: the schemas say what is in them
type Manifest = any;

const files = readdirSync(join(folder, 'k8s')).sort();
const read = (file: string): Manifest =>
  parse(readFileSync(join(folder, 'k8s', file), 'utf8'), { strict: true });
const kustomization = read('kustomization.yaml');
const manifests = files.filter((file) => file !== 'kustomization.yaml').map(read);

/** The one of its kind, and of its name where there are several. */
function only(kind: string, name = 'order-service'): Manifest {
  const [found, ...others] = manifests.filter(
    ({ kind: its, metadata }) => its === kind && metadata.name === name,
  );
  if (found === undefined || others.length > 0) throw new Error(`Expected one ${kind} ${name}`);
  return found;
}

const statefulSet = only('StatefulSet');
const service = only('Service');
const headless = only('Service', 'order-service-pods');
const configMap = only('ConfigMap');
const networkPolicy = only('NetworkPolicy');
const disruptionBudget = only('PodDisruptionBudget');
const monitor = only('ServiceMonitor');
const stages = stagesOf(readFileSync(join(folder, 'Dockerfile'), 'utf8'));
const image = stages.at(-1) as Stage;

const pod = statefulSet.spec.template;
const [container] = pod.spec.containers;
const secret = { CLIENT_TOKENS: 'client-token-0123', OPERATOR_TOKENS: 'operator-token-0123' };
const settings = readSettings({ ...envOf(image), ...configMap.data, ...secret });

/**
 * What the compiler has against manifests as objects of their types: the names that no schema knows. One program
 * compiles all groups, since the types take seconds.
 */
function complaintsOf(groups: readonly (readonly Manifest[])[]): string[][] {
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

function isMatch(labels: Record<string, string>, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

describe('the manifests', () => {
  it('are of every kind that the service needs, and all in the kustomization', () => {
    const found = new Set(manifests.map(({ kind }) => kind));
    expect([...found].sort()).toEqual(Object.keys(kinds).sort());
    const ids = manifests.map(({ kind, metadata: { name } }) => `${kind} ${name}`);
    expect(new Set(ids).size).toBe(ids.length);
    // No package has the schema of a Kustomization, so it may have these keys alone.
    expect(kustomization).toEqual({
      apiVersion: 'kustomize.config.k8s.io/v1beta1',
      kind: 'Kustomization',
      resources: expect.any(Array),
      images: [{ name: container.image, newTag: expect.stringMatching(/^\d+\.\d+\.\d+$/) }],
    });
    expect([...kustomization.resources, 'kustomization.yaml'].sort()).toEqual(files);
  });

  it.each(manifests)('fit their schema: $kind $metadata.name', (manifest) => {
    const kind: keyof typeof kinds = manifest.kind;
    const [Kind] = kinds[kind];
    const model = new Kind(manifest);
    expect([model.apiVersion, model.kind]).toEqual([manifest.apiVersion, kind]);
    expect(() => model.validate()).not.toThrow();
    // It would say so otherwise.
    expect(() => new Kind({ ...manifest, metadata: { name: 7 } }).validate()).toThrow('name');
  });

  it('have no field that their kind does not know', () => {
    const { spec } = structuredClone(statefulSet);
    spec.template.spec.containers[0].readynessProbe = {};
    expect(complaintsOf([manifests, [{ ...statefulSet, spec }]])).toEqual([
      [],
      [expect.stringMatching(/readynessProbe\W+does not exist/)],
    ]);
  });

  it('find each other by the labels of the pod', () => {
    const { labels } = pod.metadata;
    expect(statefulSet.spec.selector.matchLabels).toEqual(labels);
    expect(service.spec.selector).toEqual(labels);
    expect(networkPolicy.spec.podSelector.matchLabels).toEqual(labels);
    expect(disruptionBudget.spec.selector.matchLabels).toEqual(labels);
    expect(headless.spec.selector).toEqual(labels);
    expect(statefulSet.spec.serviceName).toBe(headless.metadata.name);
    expect([headless.spec.clusterIP, service.spec.clusterIP]).toEqual(['None', undefined]);
    // One Service alone: the pod would be scraped twice.
    const { matchLabels } = monitor.spec.selector;
    const scraped = manifests.filter(
      ({ kind, metadata }) => kind === 'Service' && isMatch(metadata.labels, matchLabels),
    );
    expect(scraped).toEqual([service]);
  });

  it('say the ports that the service listens on', () => {
    const served = { http: settings.PORT, grpc: settings.GRPC_PORT };
    const ports = { ...served, probe: settings.PROBE_PORT };
    const told = container.ports.map(({ name, containerPort }: Manifest) => [name, containerPort]);
    expect(Object.fromEntries(told)).toEqual(ports);
    const atClients = service.spec.ports.map(({ targetPort, port }: Manifest) => [
      targetPort,
      port,
    ]);
    expect(Object.fromEntries(atClients)).toEqual(served);
    const { ingress } = networkPolicy.spec;
    for (const { port } of ingress.flatMap(({ ports }: Manifest) => ports)) {
      expect(Object.keys(ports)).toContain(port);
    }
    for (const { port } of monitor.spec.endpoints) {
      expect(service.spec.ports.map(({ name }: Manifest) => name)).toContain(port);
    }
    expect(settings.HOST).toBe('0.0.0.0');
  });

  it('ask paths that the service has, without credentials where there are none', async () => {
    const processor = new OrderProcessor();
    const metrics = { contentType: 'text/plain', metrics: async () => '' };
    const authenticate = () => undefined;
    const closed = createOrderApp(processor, { metrics, authenticate });
    const probes = { startup: '/livez', liveness: '/livez', readiness: '/readyz' };
    for (const [name, path] of Object.entries(probes)) {
      expect(container[`${name}Probe`].httpGet).toEqual({ path, port: 'probe' });
      expect((await closed.request(path)).status).toBe(200);
    }
    const open = createOrderApp(processor, { metrics });
    for (const { path, authorization } of monitor.spec.endpoints) {
      expect((await open.request(path)).status).toBe(200);
      expect((await closed.request(path)).status).toBe(401);
      expect(authorization.type).toBe('Bearer');
    }
    await processor.shutdown();
  });

  it('set variables that the service knows, and take its tokens from a secret alone', () => {
    expect(names).toEqual(expect.arrayContaining(Object.keys(configMap.data)));
    expect(Object.keys(configMap.data).join()).not.toContain('TOKEN');
    expect(container.envFrom).toEqual([{ configMapRef: { name: configMap.metadata.name } }]);
    const fromSecret = container.env.map(({ name, valueFrom }: Manifest) => [
      name,
      valueFrom.secretKeyRef.name,
    ]);
    const { name } = monitor.spec.endpoints[0].authorization.credentials;
    expect(fromSecret).toEqual(Object.keys(secret).map((variable) => [variable, name]));
    // The command of the README makes what is asked for here.
    const readme = readFileSync(join(root, 'examples/services/service/README.md'), 'utf8');
    expect(readme).toContain(`kubectl create secret generic ${name} `);
    const keys = container.env.map(({ valueFrom }: Manifest) => valueFrom.secretKeyRef.key);
    const { key } = monitor.spec.endpoints[0].authorization.credentials;
    for (const each of [...keys, key]) expect(readme).toContain(`--from-literal=${each}=`);
  });

  it('give the end as much time as it takes', () => {
    const { preStop } = container.lifecycle;
    // Steps, compensations, the storage and its closing have a second each beyond the deadline.
    const needed = preStop.sleep.seconds + settings.SHUTDOWN_TIMEOUT_MS / 1_000 + 4;
    const { terminationGracePeriodSeconds: given } = pod.spec;
    expect(given).toBeGreaterThan(needed);
    expect(given).toBeLessThanOrEqual(needed + 15);
    const readme = readFileSync(join(root, 'examples/services/service/README.md'), 'utf8');
    expect(readme).toMatch(/Kubernetes 1\.30 or newer, which has `sleep`/);
    const [, stopTimeout] = /--stop-timeout (\d+)/.exec(readme) ?? [];
    expect(Number(stopTimeout)).toBeGreaterThan(needed - preStop.sleep.seconds);
    // No request is sent here any more when the end begins.
    const { readinessProbe } = container;
    expect(preStop.sleep.seconds).toBeGreaterThanOrEqual(
      readinessProbe.periodSeconds * readinessProbe.failureThreshold,
    );
  });

  it('give the process memory for all that may be in it at once', () => {
    const { MAX_CONNECTIONS, MAX_CALLS_PER_CONNECTION, BODY_LIMIT_KB, CAPACITY } = settings;
    const requests = MAX_CONNECTIONS * (1 + MAX_CALLS_PER_CONNECTION);
    // Each request as it came and as it was read, the payload of each accepted order, and the process itself.
    const mebibytes = ((2 * requests + CAPACITY) * BODY_LIMIT_KB) / 1_024 + 256;
    const [, gibibytes] = /^(\d+)Gi$/.exec(container.resources.limits.memory) ?? [];
    expect(Number(gibibytes) * 1_024).toBeGreaterThan(mebibytes);
  });

  it('keep the file on one volume of one pod, with room for all that it may become', () => {
    const { replicas, volumeClaimTemplates } = statefulSet.spec;
    expect(replicas).toBe(1);
    expect(volumeClaimTemplates[0].spec.accessModes).toEqual(['ReadWriteOncePod']);
    const [claim, ...others] = volumeClaimTemplates;
    expect(others).toEqual([]);
    expect(container.volumeMounts).toEqual([
      { name: claim.metadata.name, mountPath: settings.DATA_DIR },
    ]);
    expect(pod.spec.volumes).toBeUndefined();
    expect(lastOf(image, 'VOLUME')?.text).toBe(settings.DATA_DIR);
    const [, gibibytes] = /^(\d+)Gi$/.exec(claim.spec.resources.requests.storage) ?? [];
    // The log beside the file has some 16 MB, more while a long read goes on.
    expect(Number(gibibytes) * 1_024).toBeGreaterThan(settings.MAX_FILE_MB + 1_024);
  });

  it('give the process as little as it needs', () => {
    const [uid, gid] = (lastOf(image, 'USER')?.text ?? '').split(':').map(Number);
    expect(pod.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: gid,
      fsGroup: gid,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.spec.automountServiceAccountToken).toBe(false);
    for (const of of ['requests', 'limits']) {
      expect(Object.keys(container.resources[of]).sort()).toEqual(['cpu', 'memory']);
    }
    expect(networkPolicy.spec.policyTypes).toEqual(['Ingress', 'Egress']);
    // One pod that no drain may move would hold up every drain.
    expect(disruptionBudget.spec.maxUnavailable).toBe(1);
  });
});

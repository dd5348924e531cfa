/**
 * The manifests of the service: each fits the schema of its kind, and what they say of ports, paths,
 * variables and times is what the service does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { observe } from 'order-processor/prometheus';
import { describe, expect, it } from 'vitest';
import { names } from '../../../examples/services/service/settings.ts';
import { namesIn, shownIn } from './dashboard.ts';
import { lastOf } from './dockerfile.ts';
import { complaintsOf, image, kinds, type Manifest, ManifestSet } from './manifests.ts';

const tokens = { CLIENT_TOKENS: 'client-token-0123', OPERATOR_TOKENS: 'operator-token-0123' };
const database = { DATABASE_URL: 'postgres://app@db/shop' };
const withFile = new ManifestSet('k8s', 'StatefulSet', tokens);
const withDatabase = new ManifestSet('k8s-postgres', 'Deployment', { ...tokens, ...database });
const readme = readFileSync(
  join(import.meta.dirname, '../../../examples/services/service/README.md'),
  'utf8',
);

function isMatch(labels: Record<string, string>, wanted: Record<string, string>): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

describe.each([
  ['with a file', withFile],
  ['with a database', withDatabase],
])('the manifests %s', (_, set) => {
  const { files, kustomization, manifests, workload, pod, container, secret, settings } = set;
  const service = set.only('Service');
  const configMap = set.only('ConfigMap');
  const networkPolicy = set.only('NetworkPolicy');
  const disruptionBudget = set.only('PodDisruptionBudget');
  const monitor = set.only('ServiceMonitor');

  it('are of every kind that the service needs, and all in the kustomization', () => {
    const found = new Set(manifests.map(({ kind }) => kind));
    const other = set === withFile ? 'Deployment' : 'StatefulSet';
    const wanted = Object.keys(kinds).filter((kind) => kind !== other);
    expect([...found].sort()).toEqual(wanted.sort());
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

  it('alert on metrics that the service has, with a sentence for people', async () => {
    const processor = new OrderProcessor();
    const shown = shownIn(await observe(processor).metrics());
    await processor.shutdown();
    const { rules } = set.only('PrometheusRule').spec.groups[0];
    expect(rules.length).toBeGreaterThan(2);
    for (const { expr, annotations } of rules) {
      const names = namesIn(expr);
      expect(names, expr).not.toEqual([]);
      expect(names.filter((name) => !shown.has(name))).toEqual([]);
      expect(annotations.summary).toMatch(/^.+\.$/);
    }
  });

  it('find each other by the labels of the pod', () => {
    const { labels } = pod.metadata;
    expect(workload.spec.selector.matchLabels).toEqual(labels);
    expect(service.spec.selector).toEqual(labels);
    expect(networkPolicy.spec.podSelector.matchLabels).toEqual(labels);
    expect(disruptionBudget.spec.selector.matchLabels).toEqual(labels);
    expect(service.spec.clusterIP).toBeUndefined();
    // One Service alone: the pod would be scraped twice.
    const { matchLabels } = monitor.spec.selector;
    const scraped = manifests.filter(
      ({ kind, metadata }) => kind === 'Service' && isMatch(metadata.labels, matchLabels),
    );
    expect(scraped).toEqual([service]);
  });

  it('say the ports that the service listens on', () => {
    const served = { http: settings.PORT, grpc: settings.GRPC_PORT };
    const inside = { probe: settings.PROBE_PORT, dashboard: settings.DASHBOARD_PORT };
    const ports = { ...served, ...inside };
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
    expect(Object.keys(configMap.data).join()).not.toMatch(/TOKEN|DATABASE_URL|PASSWORD/);
    expect(container.envFrom).toEqual([{ configMapRef: { name: configMap.metadata.name } }]);
    const fromSecret = container.env.map(({ name, valueFrom }: Manifest) => [
      name,
      valueFrom.secretKeyRef.name,
    ]);
    const { name } = monitor.spec.endpoints[0].authorization.credentials;
    expect(fromSecret).toEqual(Object.keys(secret).map((variable) => [variable, name]));
    // The command of the README makes what is asked for here.
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

  it('give the process as little as it needs', () => {
    const [uid, gid] = (lastOf(image, 'USER')?.text ?? '').split(':').map(Number);
    expect(pod.spec.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: gid,
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
    // A pod that no drain may move would hold up every drain.
    expect(disruptionBudget.spec.maxUnavailable).toBe(1);
  });
});

it('the manifests have no field that their kind does not know', () => {
  const { spec } = structuredClone(withFile.workload);
  spec.template.spec.containers[0].readynessProbe = {};
  const wrong = { ...withFile.workload, spec };
  expect(complaintsOf([withFile.manifests, withDatabase.manifests, [wrong]])).toEqual([
    [],
    [],
    [expect.stringMatching(/readynessProbe\W+does not exist/)],
  ]);
});

describe('the manifests with a file', () => {
  it('keep it on one volume of one pod, with room for all that it may become', () => {
    const { workload, pod, container, settings } = withFile;
    const { replicas, volumeClaimTemplates } = workload.spec;
    expect(settings.STORAGE).toBe('file');
    expect(replicas).toBe(1);
    expect(volumeClaimTemplates[0].spec.accessModes).toEqual(['ReadWriteOncePod']);
    const [claim, ...others] = volumeClaimTemplates;
    expect(others).toEqual([]);
    expect(container.volumeMounts).toEqual([
      { name: claim.metadata.name, mountPath: settings.DATA_DIR },
    ]);
    expect(pod.spec.volumes).toBeUndefined();
    expect(pod.spec.securityContext.fsGroup).toBe(pod.spec.securityContext.runAsGroup);
    expect(lastOf(image, 'VOLUME')?.text).toBe(settings.DATA_DIR);
    const [, gibibytes] = /^(\d+)Gi$/.exec(claim.spec.resources.requests.storage) ?? [];
    // The log beside the file has some 16 MB, more while a long read goes on.
    expect(Number(gibibytes) * 1_024).toBeGreaterThan(settings.MAX_FILE_MB + 1_024);
  });

  it('name the pod itself, as a StatefulSet wants it', () => {
    const headless = withFile.only('Service', 'order-service-pods');
    expect(headless.spec.selector).toEqual(withFile.pod.metadata.labels);
    expect(withFile.workload.spec.serviceName).toBe(headless.metadata.name);
    expect(headless.spec.clusterIP).toBe('None');
  });
});

describe('the manifests with a database', () => {
  const { workload, pod, container, settings } = withDatabase;

  it('replace one pod after the other, and never before a new one is ready', () => {
    const { replicas, strategy } = workload.spec;
    expect(replicas).toBeGreaterThan(1);
    expect(strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    });
    const { maxUnavailable } = withDatabase.only('PodDisruptionBudget').spec;
    expect(maxUnavailable).toBeLessThan(replicas);
    // What runs of a user that is handed over may end before the pod is killed.
    const { terminationGracePeriodSeconds } = pod.spec;
    expect(settings.ORDER_TIMEOUT_MS).toBeLessThan(terminationGracePeriodSeconds * 1_000);
  });

  it('keep nothing in the pod, and may reach the database', () => {
    expect(settings.STORAGE).toBe('postgres');
    expect([container.volumeMounts, pod.spec.volumes]).toEqual([undefined, undefined]);
    const { egress } = withDatabase.only('NetworkPolicy').spec;
    const [databasePort] = egress.flatMap(({ ports }: Manifest) => ports);
    expect(databasePort).toEqual({ port: 5432 });
  });
});

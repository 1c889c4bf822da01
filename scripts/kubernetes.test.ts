import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StatefulSet } from 'kubernetes-types/apps/v1';
import type { ConfigMap, Container, PodSpec, Probe, Secret, Service } from 'kubernetes-types/core/v1';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1';
import { parse, parseAllDocuments } from 'yaml';
import { inRoot } from './lib/paths.mjs';
import { kubernetesProblems, type Manifest } from './testing/kubernetes-types.ts';
import { configOf, dockerImage, namesUnread, openPaths, secretsInTheOpen, stopMsMax } from './testing/served.ts';

const FOLDER = 'docker/kubernetes';
const KUSTOMIZATION = 'kustomization.yaml';
const textOf = (name: string): string => readFileSync(inRoot(FOLDER, name), 'utf8');
const files = readdirSync(inRoot(FOLDER)).filter((name) => name.endsWith('.yaml') && name !== KUSTOMIZATION);
const manifests = files.flatMap((name) =>
  parseAllDocuments(textOf(name)).map((document) => document.toJS() as Manifest),
);

interface Kinds {
  readonly ConfigMap: ConfigMap;
  readonly NetworkPolicy: NetworkPolicy;
  readonly PodDisruptionBudget: PodDisruptionBudget;
  readonly Secret: Secret;
  readonly Service: Service;
  readonly StatefulSet: StatefulSet;
}

function ofKind<Kind extends keyof Kinds>(kind: Kind): readonly (Manifest & Kinds[Kind])[] {
  return manifests.filter((one): one is Manifest & Kinds[Kind] => one.kind === kind);
}

function theOnly<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined || all.length > 1) throw new Error(`one was expected, there are ${all.length}`);
  return one;
}

const [config] = ofKind('ConfigMap');
const services = ofKind('Service');

interface Workload {
  readonly name: string;
  readonly set: StatefulSet;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod: PodSpec;
  readonly container: Container;
}

const workloads = ofKind('StatefulSet').map((set): Workload => {
  const pod = set.spec?.template.spec;
  if (pod === undefined) throw new Error(`${set.metadata.name} has no pod`);
  const labels = set.spec?.template.metadata?.labels ?? {};
  return { name: set.metadata.name, set, labels, pod, container: theOnly(pod.containers) };
});

/** The variables as the container sees them; what only the cluster knows stands for itself. */
function environmentOf({ container }: Workload, pod: string): Record<string, string> {
  const own = (container.env ?? []).map(({ name, value, valueFrom }) => {
    if (valueFrom?.fieldRef?.fieldPath === 'metadata.name') return [name, pod];
    return [name, value ?? 'redis://redis.internal'];
  });
  return { ...config?.data, ...(Object.fromEntries(own) as Record<string, string>) };
}

/** The texts that Kubernetes takes where its types say only that there is one. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  externalTrafficPolicy: ['Cluster', 'Local'],
  fieldPath: ['metadata.name'],
  podManagementPolicy: ['OrderedReady', 'Parallel'],
  policyTypes: ['Ingress', 'Egress'],
  protocol: ['TCP', 'UDP'],
  type: ['LoadBalancer', 'Opaque', 'RollingUpdate', 'RuntimeDefault'],
  unhealthyPodEvictionPolicy: ['AlwaysAllow', 'IfHealthyBudget'],
  whenUnsatisfiable: ['DoNotSchedule', 'ScheduleAnyway'],
};

function wrongChoices(value: unknown, key = ''): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one) => wrongChoices(one, key));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, inner]) => wrongChoices(inner, name));
  }
  return CHOICES[key]?.includes(String(value)) === false ? [`${key}: ${String(value)}`] : [];
}

describe('the manifests', () => {
  it('are valid by the published types of Kubernetes', () => {
    expect(manifests.length).toBeGreaterThan(0);
    expect(kubernetesProblems(manifests)).toEqual([]);
    expect(wrongChoices(manifests)).toEqual([]);
  });

  it('would be told by them of a field that there is not, that is missing, or of another type', () => {
    const service = (spec: object): Manifest => ({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } },
      ...{ spec },
    });
    const wrong = [{ ports: [{ port: 1, tagetPort: 2 }] }, { ports: [{ name: 'a' }] }, { ports: [{ port: '1' }] }];
    const problems = kubernetesProblems(wrong.map(service));
    expect(problems).toEqual([
      expect.stringContaining('tagetPort'),
      expect.stringContaining("'port' is missing"),
      expect.stringContaining("'string' is not assignable to type 'number'"),
    ]);
  });

  it('are all applied by the kustomization, but for the template of the secret', () => {
    const { resources } = parse(textOf(KUSTOMIZATION)) as { readonly resources: readonly string[] };
    expect([...resources, 'secret.template.yaml'].sort()).toEqual([...files].sort());
  });

  it('name no namespace', () => {
    expect(manifests.filter(({ metadata }) => metadata.namespace !== undefined)).toEqual([]);
  });

  it('hold no value of a secret', () => {
    const secrets = ofKind('Secret');
    expect(
      secrets.flatMap(({ stringData, data }) => Object.values({ ...stringData, ...data })).filter(Boolean),
    ).toEqual([]);
    const literal = workloads
      .flatMap(({ container }) => container.env ?? [])
      .filter(({ value }) => value !== undefined);
    const open = { ...config?.data, ...Object.fromEntries(literal.map(({ name, value }) => [name, value])) };
    expect(secretsInTheOpen(open)).toEqual([]);
    expect(open).not.toHaveProperty('REDIS_URL');
  });

  it('let a node be taken away only one at a time', () => {
    for (const { labels } of workloads) {
      const budgets = ofKind('PodDisruptionBudget').filter(({ spec }) =>
        Object.entries(spec?.selector?.matchLabels ?? {}).every(([name, value]) => labels[name] === value),
      );
      expect(budgets.map(({ spec }) => spec?.maxUnavailable)).toEqual([1]);
    }
  });
});

describe.each(workloads)('the nodes of $name', (workload) => {
  const { set, labels, pod, container } = workload;
  const environment = environmentOf(workload, `${workload.name}-0`);
  const { config: read, complaints } = configOf(environment);
  const probes: Readonly<Record<string, Probe | undefined>> = {
    startup: container.startupProbe,
    readiness: container.readinessProbe,
    liveness: container.livenessProbe,
  };

  it('are started with what the server reads, and the server agrees', () => {
    expect(complaints).toEqual([]);
    expect(namesUnread(environment)).toEqual([]);
    expect(read?.mode).toBe('production');
  });

  it('get no variable from the names of Services: MILLRACE_PORT would be an address', () => {
    expect(services.map(({ metadata }) => metadata.name)).toContain('millrace');
    expect(pod.enableServiceLinks).toBe(false);
  });

  it('are called as their pod is, which outlives it', () => {
    expect(environment['MILLRACE_NODE_NAME']).toBe(`${workload.name}-0`);
    expect(services.map(({ metadata }) => metadata.name)).toContain(set.spec?.serviceName);
  });

  it('declare the ports that they listen on', () => {
    const ports = Object.fromEntries(
      (container.ports ?? []).map(({ name = '', containerPort }) => [name, containerPort]),
    );
    expect(ports).toEqual({ http: read?.port, sockets: read?.socketPort });
    expect(Object.values(ports)).toEqual(dockerImage().ports);
  });

  it('are asked at addresses that answer without a key: whether they serve, and apart from it whether they live', () => {
    const paths = Object.entries(probes).map(([name, probe]) => [name, probe?.httpGet?.path]);
    expect(paths).toEqual([
      ['startup', '/healthz'],
      ['readiness', '/readyz'],
      ['liveness', '/healthz'],
    ]);
    expect(openPaths()).toEqual(expect.arrayContaining(['/healthz', '/readyz']));
    expect(Object.values(probes).map((probe) => probe?.httpGet?.port)).toEqual(['http', 'http', 'http']);
  });

  it('may drain to their end before they are killed', () => {
    const [, pauseSeconds] = container.lifecycle?.preStop?.exec?.command ?? [];
    const neededMs = Number(pauseSeconds) * 1_000 + (read?.drainMs ?? Infinity) + stopMsMax();
    expect((pod.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(neededMs);
  });

  it('run as the user of the image, without privileges, on a file system that is read-only', () => {
    const { runAsUser, runAsGroup, runAsNonRoot } = pod.securityContext ?? {};
    expect(`${runAsUser}:${runAsGroup}`).toBe(dockerImage().user);
    expect(runAsNonRoot).toBe(true);
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
  });

  it('find their secrets in files that the Secret has, readable for their group alone', () => {
    const { mountPath = '', name } = container.volumeMounts?.find(({ readOnly }) => readOnly === true) ?? {};
    const volume = pod.volumes?.find((one) => one.name === name)?.secret;
    const paths = (volume?.items ?? []).map(({ path }) => `${mountPath}/${path}`);
    expect([read?.jwtSecretFile, read?.apiKeysFile]).toEqual(paths);
    expect(volume?.defaultMode).toBe(0o440);
    const template = theOnly(ofKind('Secret'));
    const used = [
      ...(volume?.items ?? []),
      ...(container.env ?? []).flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
    ];
    expect(Object.keys(template.stringData ?? {}).sort()).toEqual(used.map(({ key }) => key).sort());
    expect(volume?.secretName).toBe(template.metadata.name);
  });

  it('are found by every Service and every network policy, and spread over machines and zones', () => {
    const isOurs = (selector: Readonly<Record<string, string>> = {}): boolean =>
      Object.entries(selector).every(([name, value]) => labels[name] === value);
    expect(services.filter(({ spec }) => !isOurs(spec?.selector))).toEqual([]);
    const policies = ofKind('NetworkPolicy').filter(({ spec }) => isOurs(spec?.podSelector.matchLabels));
    expect(policies).toHaveLength(1);
    const keys = pod.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey);
    expect(keys).toEqual(['kubernetes.io/hostname', 'topology.kubernetes.io/zone']);
  });

  it('say what they need, and have a limit of memory', () => {
    expect(Object.keys(container.resources?.requests ?? {})).toEqual(['cpu', 'memory']);
    expect(container.resources?.limits).toHaveProperty('memory');
  });
});

describe('the Services', () => {
  it('lead to ports that the nodes have, sockets alone to the outside', () => {
    const names = (workloads[0]?.container.ports ?? []).map(({ name }) => name);
    const ports = services.flatMap(({ spec }) => spec?.ports ?? []);
    expect(ports.filter(({ targetPort }) => !names.includes(String(targetPort)))).toEqual([]);
    const outside = services.filter(({ spec }) => spec?.type !== undefined && spec.type !== 'ClusterIP');
    expect(outside.flatMap(({ spec }) => spec?.ports ?? []).map(({ targetPort }) => targetPort)).toEqual(['sockets']);
  });

  it('are let in by the network policy: sockets from everywhere, HTTP from the namespace', () => {
    const { spec } = theOnly(ofKind('NetworkPolicy'));
    const rules = (spec?.ingress ?? []).map(({ ports, from }) => [ports?.map(({ port }) => port), from]);
    expect(rules).toEqual([
      [['sockets'], undefined],
      [['http'], [{ podSelector: {} }]],
    ]);
  });
});

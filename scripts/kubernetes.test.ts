import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1';
import type { ConfigMap, Container, PodSpec, Probe, Secret, Service } from 'kubernetes-types/core/v1';
import type { NetworkPolicy } from 'kubernetes-types/networking/v1';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1';
import { parse, parseAllDocuments } from 'yaml';
import { inRoot } from './lib/paths.mjs';
import { kubernetesProblems, type Manifest } from './testing/kubernetes-types.ts';
import { configOf, dockerImage, namesUnread, openPaths, secretsInTheOpen, stopMsMax } from './testing/served.ts';

const ROOT = 'docker/kubernetes';
const KUSTOMIZATION = 'kustomization.yaml';

interface Kustomization {
  readonly resources: readonly string[];
  readonly images?: readonly { readonly name: string }[];
}

const textOf = (path: string): string => readFileSync(inRoot(path), 'utf8');
const kustomizationOf = (folder: string): Kustomization => parse(textOf(join(folder, KUSTOMIZATION))) as Kustomization;

/** The files that a kustomization applies, those of the folders that it names among them. */
const appliedBy = (folder: string): readonly string[] =>
  kustomizationOf(folder)
    .resources.map((name) => join(folder, name))
    .flatMap((path) => (path.endsWith('.yaml') ? [path] : appliedBy(path)));

const manifestsOf = (path: string): readonly Manifest[] =>
  parseAllDocuments(textOf(path)).map((document) => document.toJS() as Manifest);

const SECRET = `${ROOT}/secret.template.yaml`;
/** What is applied by itself, each an alternative to the others. */
const WAYS = [ROOT, `${ROOT}/by-role`];
const written = readdirSync(inRoot(ROOT), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml') && basename(name) !== KUSTOMIZATION)
  .map((name) => join(ROOT, name));

interface Kinds {
  readonly ConfigMap: ConfigMap;
  readonly Deployment: Deployment;
  readonly NetworkPolicy: NetworkPolicy;
  readonly PodDisruptionBudget: PodDisruptionBudget;
  readonly Secret: Secret;
  readonly Service: Service;
  readonly StatefulSet: StatefulSet;
}

type OfKind = <Kind extends keyof Kinds>(kind: Kind) => readonly (Manifest & Kinds[Kind])[];

const chooser =
  (manifests: readonly Manifest[]): OfKind =>
  <Kind extends keyof Kinds>(kind: Kind) =>
    manifests.filter((one): one is Manifest & Kinds[Kind] => one.kind === kind);

function theOnly<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined || all.length > 1) throw new Error(`one was expected, there are ${all.length}`);
  return one;
}

type Labels = Readonly<Record<string, string>>;

const selects = (selector: Labels | undefined, labels: Labels): boolean =>
  Object.entries(selector ?? {}).every(([name, value]) => labels[name] === value);

interface Workload {
  readonly name: string;
  /** Null for a Deployment. */
  readonly serviceName: string | null;
  /** The name of one of its pods. */
  readonly podName: string;
  readonly labels: Labels;
  readonly selector: Labels;
  readonly pod: PodSpec;
  readonly container: Container;
}

function workloadOf(set: Manifest & (StatefulSet | Deployment)): Workload {
  const { name } = set.metadata;
  const { spec } = set;
  const pod = spec?.template.spec;
  if (spec === undefined || pod === undefined) throw new Error(`${name} has no pod`);
  const serviceName = 'serviceName' in spec ? spec.serviceName : null;
  return {
    name,
    serviceName,
    podName: serviceName === null ? `${name}-6d4cf56db6-x7k2p` : `${name}-0`,
    labels: spec.template.metadata?.labels ?? {},
    selector: spec.selector.matchLabels ?? {},
    pod,
    container: theOnly(pod.containers),
  };
}

/** The variables as the container sees them; what only the cluster knows stands for itself. */
function environmentOf({ container, podName }: Workload, config: ConfigMap | undefined): Record<string, string> {
  const own = (container.env ?? []).map(({ name, value, valueFrom }) => {
    if (valueFrom?.fieldRef?.fieldPath === 'metadata.name') return [name, podName];
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
    const manifests = written.flatMap(manifestsOf);
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

  it('are all applied by one of the ways, but for the template of the secret', () => {
    expect([...new Set([...WAYS.flatMap(appliedBy), SECRET])].sort()).toEqual([...written].sort());
  });

  it('are applied by kustomizations that name no folder around their own, which kustomize takes for a cycle', () => {
    for (const way of WAYS) {
      for (const path of kustomizationOf(way).resources.map((name) => join(way, name))) {
        expect(way.startsWith(`${path}/`)).toBe(false);
      }
    }
  });

  it('name no namespace', () => {
    expect(written.flatMap(manifestsOf).filter(({ metadata }) => metadata.namespace !== undefined)).toEqual([]);
  });
});

describe.each(WAYS)('%s', (way) => {
  const ofKind = chooser([...appliedBy(way), SECRET].flatMap(manifestsOf));
  const [config] = ofKind('ConfigMap');
  const services = ofKind('Service');
  const workloads = [...ofKind('StatefulSet'), ...ofKind('Deployment')].map(workloadOf);
  const rolesOf = (workload: Workload): readonly string[] => {
    const { roles = [] } = configOf(environmentOf(workload, config)).config ?? {};
    return roles.length === 0 ? ['gateway', 'actors', 'jobs'] : roles;
  };

  it('says where the image of every node is', () => {
    const images = new Set(workloads.map(({ container }) => container.image));
    expect(kustomizationOf(way).images?.map(({ name }) => name)).toEqual([...images]);
  });

  it('has nodes for every role, and each role in one workload', () => {
    expect(workloads.flatMap(rolesOf).sort()).toEqual(['actors', 'gateway', 'jobs']);
  });

  it('holds no value of a secret', () => {
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

  it('lets nodes of a workload be taken away only one at a time', () => {
    for (const { labels } of workloads) {
      const budgets = ofKind('PodDisruptionBudget').filter(({ spec }) => selects(spec?.selector?.matchLabels, labels));
      expect(budgets.map(({ spec }) => spec?.maxUnavailable)).toEqual([1]);
    }
  });

  it('has no workload that takes the pods of another one for its own', () => {
    for (const { name, selector } of workloads) {
      expect(workloads.filter(({ labels }) => selects(selector, labels)).map((one) => one.name)).toEqual([name]);
    }
  });

  it('has Services that lead to ports of pods that they choose, sockets alone to the outside', () => {
    for (const { spec } of services) {
      const chosen = workloads.filter(({ labels }) => selects(spec?.selector, labels));
      expect(chosen.length).toBeGreaterThan(0);
      for (const { container } of chosen) {
        const names = (container.ports ?? []).map(({ name }) => name);
        expect((spec?.ports ?? []).filter(({ targetPort }) => !names.includes(String(targetPort)))).toEqual([]);
      }
    }
    const outside = services.filter(({ spec }) => spec?.type !== undefined && spec.type !== 'ClusterIP');
    expect(outside.flatMap(({ spec }) => spec?.ports ?? []).map(({ targetPort }) => targetPort)).toEqual(['sockets']);
  });

  it('lets in sockets from everywhere, HTTP from the namespace', () => {
    const { spec } = theOnly(ofKind('NetworkPolicy'));
    const rules = (spec?.ingress ?? []).map(({ ports, from }) => [ports?.map(({ port }) => port), from]);
    expect(rules).toEqual([
      [['sockets'], undefined],
      [['http'], [{ podSelector: {} }]],
    ]);
  });

  describe.each(workloads)('the nodes of $name', (workload) => {
    const { labels, pod, container } = workload;
    const environment = environmentOf(workload, config);
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

    it('are called as their pod is; owners keep that name over restarts', () => {
      expect(read?.nodeName).toBe(workload.podName);
      // Partitions are placed on names: who owns some must find its own again.
      const owns = rolesOf(workload).includes('actors');
      expect(workload.serviceName !== null).toBe(owns);
      if (owns) expect(services.map(({ metadata }) => metadata.name)).toContain(workload.serviceName);
    });

    it('declare the ports that they listen on', () => {
      const ports = Object.fromEntries(
        (container.ports ?? []).map(({ name = '', containerPort }) => [name, containerPort]),
      );
      const hasSockets = rolesOf(workload).includes('gateway');
      expect(ports).toEqual({ http: read?.port, ...(hasSockets ? { sockets: read?.socketPort } : {}) });
      expect(dockerImage().ports).toEqual(expect.arrayContaining(Object.values(ports)));
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

    it('are found by a Service and by the network policy, and spread over machines and zones', () => {
      expect(services.some(({ spec }) => selects(spec?.selector, labels))).toBe(true);
      expect(ofKind('NetworkPolicy').map(({ spec }) => selects(spec?.podSelector.matchLabels, labels))).toEqual([true]);
      const constraints = pod.topologySpreadConstraints ?? [];
      expect(constraints.map(({ topologyKey }) => topologyKey)).toEqual([
        'kubernetes.io/hostname',
        'topology.kubernetes.io/zone',
      ]);
      expect(constraints.every(({ labelSelector }) => selects(labelSelector?.matchLabels, labels))).toBe(true);
    });

    it('say what they need, and have a limit of memory', () => {
      expect(Object.keys(container.resources?.requests ?? {})).toEqual(['cpu', 'memory']);
      expect(container.resources?.limits).toHaveProperty('memory');
    });
  });
});

import ts from 'typescript';
import { inRoot } from '../lib/paths.mjs';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Where kubernetes-types keeps the kinds of an API version. */
const MODULES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'networking.k8s.io/v1': 'networking/v1',
  'policy/v1': 'policy/v1',
};

const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.es5.d.ts'],
  types: [],
  skipLibCheck: true,
};

function sourceOf(manifest: Manifest): string {
  const { apiVersion, kind } = manifest;
  const module = MODULES[apiVersion];
  if (module === undefined) return `${apiVersion} is not among the API versions that are looked up`;
  return `import type { ${kind} } from 'kubernetes-types/${module}';
export const manifest: ${kind} = ${JSON.stringify(manifest)};`;
}

/**
 * What the types that are generated from Kubernetes' published OpenAPI find wrong: fields that there are not, that are
 * missing, or that hold another type. A literal is checked for fields too many, as the API server does it in strict mode.
 * Which of several texts is allowed the types do not say.
 */
export function kubernetesProblems(manifests: readonly Manifest[]): readonly string[] {
  // Below this clone, where the package is found; they are only in memory.
  const sources = new Map(manifests.map((one, index) => [inRoot(`scripts/manifest-${index}.ts`), sourceOf(one)]));
  const host = ts.createCompilerHost(OPTIONS);
  const fromDisk = host.getSourceFile.bind(host);
  host.getSourceFile = (path, ...rest) => {
    const text = sources.get(path);
    return text === undefined ? fromDisk(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...sources.keys()], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const index = [...sources.keys()].indexOf(file?.fileName ?? '');
    const manifest = manifests[index];
    return `${manifest?.kind ?? '?'} ${manifest?.metadata.name ?? '?'}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

/**
 * The Helm charts, as files: made from the same manifests and values that the command line prints, so that both install the same
 * objects. `npm run generate` writes them to `charts/`.
 */
import { HA_CONTROL_PLANE_VALUES, CONTROL_PLANE_SPEC } from '../values/control-plane.ts';
import { valuesSchema, valuesTable, valuesYaml } from '../values/describe.ts';
import { HA_MULTICLUSTER_VALUES, MULTICLUSTER_SPEC } from '../values/multicluster.ts';
import { group } from '../values/spec.ts';
import type { GroupSpec } from '../values/spec.ts';
import { MESH_VERSION } from '../version.ts';
import { toYaml } from '../yaml.ts';
import { chartTemplate } from './chart-template.ts';
import type { TemplateFile } from './chart-template.ts';
import { CONTROL_PLANE_FILES } from './control-plane.ts';
import { crdManifests } from './crds.ts';
import { MULTICLUSTER_FILES } from './multicluster.ts';

interface Chart {
  readonly name: string;
  readonly description: string;
  readonly spec: GroupSpec;
  readonly files: readonly TemplateFile[];
  readonly ha?: object;
  /** How to install it, in its README. */
  readonly install: string;
  /** What `helm install` prints. */
  readonly notes: string;
}

const CHARTS: readonly Chart[] = [
  {
    name: 'mesh-crds',
    description: 'Custom resource definitions of the mesh',
    spec: group('values of the definitions', {}),
    files: crdManifests().map((crd) => ({ name: (crd.metadata.name ?? '').replaceAll('.', '-'), manifests: [crd] })),
    install: `helm install mesh-crds charts/mesh-crds -n linkerd --create-namespace`,
    notes: 'The definitions are installed. Next: chart mesh-control-plane, in the same namespace.',
  },
  {
    name: 'mesh-control-plane',
    description: 'Control plane of the mesh: identity, destination, policy, proxy injector',
    spec: CONTROL_PLANE_SPEC,
    files: CONTROL_PLANE_FILES,
    ha: HA_CONTROL_PLANE_VALUES,
    install: `helm install mesh-control-plane charts/mesh-control-plane -n linkerd \\
  --set-file identityTrustAnchorsPEM=ca.crt \\
  --set-file identity.issuer.tls.crtPEM=issuer.crt \\
  --set-file identity.issuer.tls.keyPEM=issuer.key`,
    notes: 'The control plane starts. Look at it with: mesh check -L {{ .Release.Namespace }}',
  },
  {
    name: 'mesh-multicluster',
    description: 'Multi-cluster extension of the mesh: gateway, service mirror, access for linked clusters',
    spec: MULTICLUSTER_SPEC,
    files: MULTICLUSTER_FILES,
    ha: HA_MULTICLUSTER_VALUES,
    install: `helm install mesh-multicluster charts/mesh-multicluster -n linkerd-multicluster --create-namespace`,
    notes:
      'The extension starts. To reach this cluster from another one: mesh multicluster link-gen --cluster-name NAME',
  },
];

/** Path below `charts/` and content of every file. */
export function chartFiles(): ReadonlyMap<string, string> {
  return new Map(CHARTS.flatMap((chart) => filesOf(chart).map(([name, text]) => [`${chart.name}/${name}`, text])));
}

function filesOf(chart: Chart): readonly (readonly [string, string])[] {
  const { name, description, spec, files, ha } = chart;
  return [
    [
      'Chart.yaml',
      toYaml({
        apiVersion: 'v2',
        name,
        description,
        type: 'application',
        version: MESH_VERSION,
        appVersion: MESH_VERSION,
        kubeVersion: '>=1.29.0-0',
      }),
    ],
    ['README.md', readme(chart)],
    ['values.yaml', `${GENERATED}${valuesYaml(spec)}\n`],
    ['values.schema.json', `${JSON.stringify(valuesSchema(spec), undefined, 2)}\n`],
    ...(ha === undefined ? [] : [['values-ha.yaml', `${GENERATED}${toYaml(ha)}`] as const]),
    ['templates/NOTES.txt', `${chart.notes}\n`],
    ...files.map((file) => [`templates/${file.name}.yaml`, chartTemplate(file)] as const),
  ];
}

const GENERATED = '# Made by npm run generate; changes belong into packages/cli/src.\n';

function readme({ name, description, spec, ha, install }: Chart): string {
  const hasValues = Object.keys(spec.fields).length > 0;
  return [
    `# ${name}`,
    '',
    `${description}. Renders the objects that the command line prints; [docs/install.md](../../docs/install.md) explains both.`,
    '',
    '```sh',
    install,
    '```',
    ...(ha === undefined
      ? []
      : ['', 'Add `-f values-ha.yaml` from the folder of the chart for several replicas of everything.']),
    ...(hasValues ? ['', valuesTable(spec)] : ['']),
  ].join('\n');
}

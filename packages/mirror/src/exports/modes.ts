/** Whether and how a Service is exported, and what of its metadata peers may see. Pure. */
import type { ExportedMode, Service, ServiceExport } from '@mesh/kube';
import { isMeshAnnotation, isToolLabel } from '../copy-rules.ts';
import { ANNOTATION_PATH, LABEL_FEDERATED, LABEL_MIRRORED } from '../names.ts';
import { LABEL_EXPORTED, LABEL_SERVICE_IMPORT } from './names.ts';

/** The modes in which the Service may appear at peers; none: it is not exported. */
export function exportModes(
  service: Service | undefined,
  serviceExport: ServiceExport | undefined,
): readonly ExportedMode[] {
  if (service === undefined || !isExportable(service)) return [];
  const { labels = {} } = service.metadata;
  const modes: ExportedMode[] = [];
  if (labels[LABEL_EXPORTED] === 'true') modes.push('gateway');
  if (labels[LABEL_EXPORTED] === 'remote-discovery') modes.push('flat');
  if (labels[LABEL_FEDERATED] === 'member') modes.push('federated');
  if (serviceExport !== undefined && serviceExport.metadata.deletionTimestamp === undefined) modes.push('mcs');
  return modes;
}

/** An ExternalName has no endpoints; what came from a peer must not go round; what is being deleted is gone for peers. */
function isExportable({ metadata: { labels = {}, deletionTimestamp }, spec }: Service): boolean {
  return (
    spec?.type !== 'ExternalName' &&
    labels[LABEL_MIRRORED] !== 'true' &&
    labels[LABEL_SERVICE_IMPORT] === undefined &&
    deletionTimestamp === undefined
  );
}

/** Through a gateway, peers need to know only whether anybody is ready, but for the names of single pods. */
export function needsAddresses(service: Service, modes: readonly ExportedMode[]): boolean {
  return modes.some((mode) => mode !== 'gateway') || (modes.length > 0 && isHeadless(service));
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

type Entries = Readonly<Record<string, string>>;

/** Labels select and describe: all but those of tools, and those by which Links select. */
export function publishedLabels(labels: Entries | undefined): Entries {
  return pick(labels, (key) => !isToolLabel(key) || key.startsWith('mirror.linkerd.io/'));
}

/** Only what importers use: other annotations instruct this cluster's controllers, and may be long. */
export function publishedAnnotations(annotations: Entries | undefined): Entries {
  return pick(annotations, (key) => isMeshAnnotation(key) || key === ANNOTATION_PATH);
}

function pick(entries: Entries | undefined, wanted: (key: string) => boolean): Entries {
  const kept = Object.entries(entries ?? {}).filter(([key]) => wanted(key));
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

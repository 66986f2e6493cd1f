/** Defaults of a pod's specification: in Pods and in the templates of every workload. (Kubernetes API reference, "PodSpec".) */
import { isObject, listAt, objectAt, stringAt, type JsonObject } from '../json.ts';

/** Sets a field that is absent. */
export function setDefault(object: JsonObject, key: string, value: unknown): void {
  if (object[key] === undefined || object[key] === null) object[key] = value;
}

/** The objects of a list. */
export function objectsAt(parent: unknown, ...path: readonly string[]): JsonObject[] {
  return listAt(parent, ...path).filter((item) => isObject(item));
}

/** Fills a pod specification in place. */
export function setPodSpecDefaults(spec: JsonObject): void {
  for (const key of ['containers', 'initContainers', 'ephemeralContainers']) {
    for (const container of objectsAt(spec, key)) setContainerDefaults(container, key !== 'ephemeralContainers');
  }
  for (const volume of objectsAt(spec, 'volumes')) setVolumeDefaults(volume);
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'schedulerName', 'default-scheduler');
  if (typeof spec['serviceAccountName'] === 'string') spec['serviceAccount'] = spec['serviceAccountName'];
  else if (typeof spec['serviceAccount'] === 'string') spec['serviceAccountName'] = spec['serviceAccount'];
  if (spec['hostNetwork'] === true) {
    for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]) {
      for (const port of objectsAt(container, 'ports')) if (!port['hostPort']) port['hostPort'] = port['containerPort'];
    }
  }
  for (const constraint of objectsAt(spec, 'topologySpreadConstraints'))
    setDefault(constraint, 'whenUnsatisfiable', 'DoNotSchedule');
}

/** What only a Pod itself gets, not a template. */
export function setPodDefaults(spec: JsonObject): void {
  setDefault(spec, 'enableServiceLinks', true);
  if (typeof spec['terminationGracePeriodSeconds'] === 'number' && spec['terminationGracePeriodSeconds'] < 0)
    spec['terminationGracePeriodSeconds'] = 1;
  for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]) {
    const limits = objectAt(container, 'resources', 'limits');
    if (Object.keys(limits).length === 0) continue;
    const resources = objectAt(container, 'resources');
    const requests = { ...objectAt(resources, 'requests') };
    for (const name of Object.keys(limits)) setDefault(requests, name, limits[name]);
    resources['requests'] = requests;
  }
}

function setContainerDefaults(container: JsonObject, hasProbes: boolean): void {
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  setDefault(container, 'imagePullPolicy', isLatest(stringAt(container, 'image') ?? '') ? 'Always' : 'IfNotPresent');
  for (const port of objectsAt(container, 'ports')) setDefault(port, 'protocol', 'TCP');
  for (const variable of objectsAt(container, 'env')) {
    const source = objectAt(variable, 'valueFrom');
    if (isObject(source['fieldRef'])) setDefault(source['fieldRef'], 'apiVersion', 'v1');
    if (isObject(source['resourceFieldRef'])) setDefault(source['resourceFieldRef'], 'divisor', '0');
  }
  if (!hasProbes) return;
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (!isObject(probe)) continue;
    setDefault(probe, 'timeoutSeconds', 1);
    setDefault(probe, 'periodSeconds', 10);
    setDefault(probe, 'successThreshold', 1);
    setDefault(probe, 'failureThreshold', 3);
    if (isObject(probe['grpc'])) setDefault(probe['grpc'], 'service', '');
    setHttpDefaults(probe);
  }
  for (const hook of ['postStart', 'preStop']) setHttpDefaults(objectAt(container, 'lifecycle', hook));
}

function setHttpDefaults(handler: JsonObject): void {
  const get = handler['httpGet'];
  if (!isObject(get)) return;
  setDefault(get, 'path', '/');
  setDefault(get, 'scheme', 'HTTP');
}

/** Whether an image reference means the tag `latest`. */
function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const name = image.slice(image.lastIndexOf('/') + 1);
  const colon = name.indexOf(':');
  return image !== '' && (colon < 0 || name.slice(colon + 1) === 'latest');
}

const VOLUME_SOURCES_WITH_MODE = ['configMap', 'secret', 'downwardAPI', 'projected'];
const FILE_MODE = 0o644;

function setVolumeDefaults(volume: JsonObject): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume['emptyDir'] = {};
  for (const source of VOLUME_SOURCES_WITH_MODE)
    if (isObject(volume[source])) setDefault(volume[source], 'defaultMode', FILE_MODE);
  if (isObject(volume['hostPath'])) setDefault(volume['hostPath'], 'type', '');
  const items = [...objectsAt(volume, 'downwardAPI', 'items')];
  for (const source of objectsAt(volume, 'projected', 'sources')) {
    if (isObject(source['serviceAccountToken'])) setDefault(source['serviceAccountToken'], 'expirationSeconds', 3600);
    items.push(...objectsAt(source, 'downwardAPI', 'items'));
  }
  for (const item of items) {
    if (isObject(item['fieldRef'])) setDefault(item['fieldRef'], 'apiVersion', 'v1');
    if (isObject(item['resourceFieldRef'])) setDefault(item['resourceFieldRef'], 'divisor', '0');
  }
  if (isObject(volume['iscsi'])) setDefault(volume['iscsi'], 'iscsiInterface', 'default');
  const claim = objectAt(volume, 'ephemeral', 'volumeClaimTemplate', 'spec');
  if (Object.keys(claim).length > 0) setDefault(claim, 'volumeMode', 'Filesystem');
}

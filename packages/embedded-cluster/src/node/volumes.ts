/**
 * A pod's volumes as folders: emptyDir, ConfigMap, Secret, downward API and projected ones with
 * service-account tokens. Published atomically as the kubelet does: files are links through `..data`,
 * which is replaced in one rename.
 */
import { mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MeshError } from '@mesh/runtime';
import type { Container, DownwardItem, KeyToPath, Pod, Volume, VolumeProjection } from '../controllers/kinds.ts';
import { fieldValue, type PodAddresses, resourceValue } from './downward.ts';
import type { PodSources } from './environment.ts';

export type Files = ReadonlyMap<string, Buffer>;

/** A bound token for one projection, renewed by whoever implements this. */
export interface TokenSource {
  token(audience: string | undefined, expirationSeconds: number): Promise<string>;
}

const DEFAULT_EXPIRATION_SECONDS = 3600;

/** @returns undefined for volumes that have no content of their own (emptyDir) */
export async function volumeFiles(
  pod: Pod,
  volume: Volume,
  addresses: PodAddresses,
  sources: PodSources,
  tokens: TokenSource,
): Promise<Files | undefined> {
  if (volume.emptyDir !== undefined) return undefined;
  if (volume.configMap !== undefined) return configFiles(pod, volume.configMap, sources);
  if (volume.secret !== undefined) {
    return secretFiles(pod, { ...volume.secret, name: volume.secret.secretName }, sources);
  }
  if (volume.downwardAPI !== undefined) return downwardFiles(pod, volume.downwardAPI.items, addresses);
  if (volume.projected !== undefined) {
    const all = new Map<string, Buffer>();
    for (const source of volume.projected.sources ?? []) {
      for (const [path, data] of await projectedFiles(pod, source, addresses, sources, tokens)) all.set(path, data);
    }
    return all;
  }
  const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
  const message = `volume "${volume.name}": ${kind} is not supported by the embedded node: use emptyDir, configMap, secret, downwardAPI or projected`;
  throw new MeshError({ code: 'unsupported_volume', volume: volume.name, kind }, message);
}

async function projectedFiles(
  pod: Pod,
  source: VolumeProjection,
  addresses: PodAddresses,
  sources: PodSources,
  tokens: TokenSource,
): Promise<Files> {
  if (source.configMap !== undefined) return configFiles(pod, source.configMap, sources);
  if (source.secret !== undefined) return secretFiles(pod, source.secret, sources);
  if (source.downwardAPI !== undefined) return downwardFiles(pod, source.downwardAPI.items, addresses);
  const request = source.serviceAccountToken;
  if (request === undefined) return new Map();
  const token = await tokens.token(request.audience, request.expirationSeconds ?? DEFAULT_EXPIRATION_SECONDS);
  return new Map([[request.path, Buffer.from(token)]]);
}

interface Reference {
  readonly name: string;
  readonly items?: KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

function configFiles(pod: Pod, reference: Reference, sources: PodSources): Files {
  const found = sources.configMap(pod.metadata.namespace ?? '', reference.name);
  if (found === undefined) return absent('configmap', reference);
  const data = new Map<string, Buffer>();
  for (const [key, value] of Object.entries(found.data ?? {})) data.set(key, Buffer.from(value));
  for (const [key, value] of Object.entries(found.binaryData ?? {})) data.set(key, Buffer.from(value, 'base64'));
  return select(data, 'configmap', reference);
}

function secretFiles(pod: Pod, reference: Reference, sources: PodSources): Files {
  const found = sources.secret(pod.metadata.namespace ?? '', reference.name);
  if (found === undefined) return absent('secret', reference);
  const entries = Object.entries(found.data ?? {});
  return select(new Map(entries.map(([key, value]) => [key, Buffer.from(value, 'base64')])), 'secret', reference);
}

function absent(kind: string, reference: Reference): Files {
  if (reference.optional) return new Map();
  throw new MeshError(
    { code: 'missing_reference', kind, name: reference.name },
    `${kind} "${reference.name}" not found`,
  );
}

function select(data: Files, kind: string, reference: Reference): Files {
  if (reference.items === undefined) return data;
  const chosen = new Map<string, Buffer>();
  for (const { key, path } of reference.items) {
    const value = data.get(key);
    if (value !== undefined) chosen.set(path, value);
    else if (!reference.optional) {
      const message = `${kind} "${reference.name}" references non-existent key: ${key}`;
      throw new MeshError({ code: 'missing_reference', kind, name: reference.name, key }, message);
    }
  }
  return chosen;
}

function downwardFiles(pod: Pod, items: readonly DownwardItem[] | undefined, addresses: PodAddresses): Files {
  const files = new Map<string, Buffer>();
  for (const { path, fieldRef, resourceFieldRef } of items ?? []) {
    if (fieldRef !== undefined) files.set(path, Buffer.from(fieldValue(pod, fieldRef.fieldPath, addresses)));
    if (resourceFieldRef === undefined) continue;
    const container = pod.spec.containers.find((each) => each.name === resourceFieldRef.containerName);
    const value = resourceValue(
      container ?? { name: '', image: '' },
      resourceFieldRef.resource,
      resourceFieldRef.divisor,
    );
    files.set(path, Buffer.from(value));
  }
  return files;
}

/** Writes `files` below `folder`, all at once for readers; files that are no longer there disappear. */
export async function publish(folder: string, files: Files, generation: number): Promise<void> {
  const version = `..${String(generation).padStart(6, '0')}`;
  await mkdir(join(folder, version), { recursive: true });
  for (const [path, data] of files) {
    const target = join(folder, version, path);
    if (path.includes('/')) await mkdir(dirname(target), { recursive: true });
    await writeFile(target, data);
  }
  const before = await readlink(join(folder, '..data')).catch(() => undefined);
  await symlink(version, join(folder, '..data_tmp'));
  await rename(join(folder, '..data_tmp'), join(folder, '..data'));
  const tops = new Set([...files.keys()].map((path) => path.split('/')[0] ?? path));
  for (const name of await readdir(folder)) {
    if (!name.startsWith('..') && !tops.delete(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
  for (const top of tops) await symlink(join('..data', top), join(folder, top));
  if (before !== undefined && before !== version) await rm(join(folder, before), { recursive: true, force: true });
}

export function sameFiles(a: Files, b: Files): boolean {
  if (a.size !== b.size) return false;
  for (const [path, data] of a) if (!b.get(path)?.equals(data)) return false;
  return true;
}

/** Pairs of mount path and the real path that stands for it, for one container. */
export function mountsOf(container: Container, volumesFolder: string): [from: string, to: string][] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, subPath, subPathExpr }) => [
    mountPath.replace(/(.)\/+$/, '$1'),
    join(volumesFolder, name, subPath ?? subPathExpr ?? ''),
  ]);
}

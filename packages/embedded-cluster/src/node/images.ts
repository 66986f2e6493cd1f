/** Which local program stands for an image. */
import { MeshError } from '@mesh/runtime';

/** A local program that plays an image. */
export interface ImageProgram {
  /** What a container runs that has no `command` of its own, as ENTRYPOINT; `args` follow. */
  readonly command: readonly string[];
  /** What follows the command when the container has no `args`, as CMD. */
  readonly args?: readonly string[];
  /** Variables below those of the container. */
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  /** Programs that a container's own `command` may name, such as `node`, and where they are here, or what runs instead. */
  readonly programs?: Readonly<Record<string, string | readonly string[]>>;
}

export type Images = Readonly<Record<string, ImageProgram>>;

/**
 * Finds the program for an image reference: by the whole reference, without its tag or digest, or by
 * its last path segment alone.
 *
 * @throws MeshError `unknown_image`, naming the known ones
 */
export function findImage(images: Images, reference: string): ImageProgram {
  const untagged = reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const last = untagged.slice(untagged.lastIndexOf('/') + 1);
  const found = images[reference] ?? images[untagged] ?? images[last];
  if (found !== undefined) return found;
  const known = Object.keys(images).toSorted().join(', ') || 'none';
  const message = `image ${JSON.stringify(reference)} has no local program in this embedded cluster; known images: ${known}`;
  throw new MeshError({ code: 'unknown_image', image: reference }, message);
}

/** The argument vector of a container, as a container runtime combines image and container. */
export function argumentVector(
  image: ImageProgram,
  container: { readonly command?: readonly string[] | undefined; readonly args?: readonly string[] | undefined },
): string[] {
  const own = container.command !== undefined && container.command.length > 0;
  const args = container.args ?? (own ? [] : (image.args ?? []));
  const vector = [...(own ? (container.command ?? []) : image.command), ...args];
  const program = vector[0] ?? '';
  const here = image.programs?.[program] ?? program;
  return [...(typeof here === 'string' ? [here] : here), ...vector.slice(1)];
}

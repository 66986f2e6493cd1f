/** `/openapi/v2` and `/openapi/v3`, made from the kind library when first asked and after resources changed. */
import { createHash } from 'node:crypto';
import { openapiPath } from '../../schema/index.ts';
import type { Machinery } from '../machinery.ts';

interface CachedDocument {
  readonly text: string;
  readonly hash: string;
}

export class OpenApiDocuments {
  readonly #machinery: Machinery;
  readonly #documents = new Map<string, CachedDocument>();
  #revision = -1;

  constructor(machinery: Machinery) {
    this.#machinery = machinery;
  }

  v2(): CachedDocument {
    return (
      this.#cached('v2', () => this.#machinery.kinds.openApiV2(this.#machinery.resources.all())) ?? {
        text: '{}',
        hash: '',
      }
    );
  }

  /** The document of `api/v1`, `apis/apps/v1`, …; undefined when there is none. */
  v3(path: string): CachedDocument | undefined {
    return this.#cached(`v3/${path}`, () => {
      const resources = this.#machinery.resources.all().filter((resource) => openapiPath(resource) === path);
      return resources.length === 0 ? undefined : this.#machinery.kinds.openApiV3(resources);
    });
  }

  /** The index: each path with a hash, so that clients can cache documents for good. */
  index(): unknown {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const path of new Set(this.#machinery.resources.all().map(openapiPath))) {
      // Hashing the revision avoids making every document for the index.
      const hash = createHash('sha256')
        .update(`${path} ${this.#machinery.resources.revision}`)
        .digest('hex')
        .toUpperCase();
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return { paths };
  }

  #cached(key: string, make: () => unknown): CachedDocument | undefined {
    const { revision } = this.#machinery.resources;
    if (revision !== this.#revision) {
      this.#documents.clear();
      this.#revision = revision;
    }
    const known = this.#documents.get(key);
    if (known !== undefined) return known;
    const document = make();
    if (document === undefined) return undefined;
    const text = JSON.stringify(document);
    const made = { text, hash: createHash('sha256').update(text).digest('hex').toUpperCase() };
    this.#documents.set(key, made);
    return made;
  }
}

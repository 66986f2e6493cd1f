/** The bearer token in a kubeconfig's text: read, or replaced with everything else left as it is. */
import { createRequire } from 'node:module';
import { messageOf } from '@mesh/runtime';
import type * as Yaml from 'yaml';
import { KubeError } from './errors.ts';

interface Document {
  readonly 'current-context'?: string;
  readonly contexts?: readonly { readonly name?: string; readonly context?: { readonly user?: string } }[];
  readonly users?: readonly { readonly name?: string; readonly user?: Readonly<Record<string, unknown>> }[];
}

const require = createRequire(import.meta.url);

/** The token of the current context's user; `undefined` when that user has none, or authenticates otherwise. */
export function kubeConfigToken(text: string, source: string): string | undefined {
  const document = read(text, source);
  const user = document.users?.find(({ name }) => name === userName(document))?.user ?? {};
  const isOnlyToken = ['exec', 'auth-provider', 'client-certificate-data'].every((field) => user[field] === undefined);
  const token = user['token'];
  return isOnlyToken && typeof token === 'string' && token !== '' ? token : undefined;
}

/** The same kubeconfig with another token for the user of the current context. @throws KubeError `config` */
export function kubeConfigWithToken(text: string, source: string, token: string): string {
  const document = read(text, source);
  const name = userName(document);
  const users = (document.users ?? []).map((entry) =>
    entry.name === name ? { ...entry, user: { ...entry.user, token } } : entry,
  );
  return JSON.stringify({ ...document, users });
}

function userName(document: Document): string | undefined {
  const context = document.contexts?.find(({ name }) => name === document['current-context']);
  return context?.context?.user;
}

function read(text: string, source: string): Document {
  try {
    const document: unknown = text.trimStart().startsWith('{')
      ? JSON.parse(text)
      : (require('yaml') as typeof Yaml).parse(text);
    if (typeof document === 'object' && document !== null) return document;
  } catch (error) {
    throw new KubeError(
      { code: 'config', object: source, status: 0 },
      `${source} is not a kubeconfig: ${messageOf(error)}`,
      { cause: error },
    );
  }
  throw new KubeError(
    { code: 'config', object: source, status: 0 },
    `${source} is not a kubeconfig: it holds no mapping`,
  );
}

/** What the checks of one run share: the connection and what earlier checks have read. */
import type { Connection } from '../io.ts';
import type { MeshConfig } from '../mesh-config.ts';
import { readMeshConfig } from '../mesh-config.ts';

export class CheckState {
  readonly controlPlaneNamespace: string;
  readonly #open: () => Promise<Connection>;
  #connection: Connection | undefined;
  #config: MeshConfig | undefined;

  constructor(controlPlaneNamespace: string, open: () => Promise<Connection>) {
    this.controlPlaneNamespace = controlPlaneNamespace;
    this.#open = open;
  }

  async connection(): Promise<Connection> {
    this.#connection ??= await this.#open();
    return this.#connection;
  }

  async config(): Promise<MeshConfig> {
    this.#config ??= await readMeshConfig((await this.connection()).client, this.controlPlaneNamespace);
    return this.#config;
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
  }
}

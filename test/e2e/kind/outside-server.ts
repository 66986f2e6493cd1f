/** A server that no cluster knows: a container beside the nodes, which pods reach by its address. */
import { GenericContainer, Wait } from 'testcontainers';
import type { StartedTestContainer } from 'testcontainers';
import { tryProgram } from '../../../scripts/home/program.ts';
import { ensureImage } from './images.ts';

/** The Docker network of kind's nodes. */
const NETWORK = 'kind';
const LABEL = 'dev.mesh.federation.e2e';

export class OutsideServer implements AsyncDisposable {
  readonly ip: string;
  readonly #container: StartedTestContainer;

  private constructor(container: StartedTestContainer) {
    this.#container = container;
    this.ip = container.getIpAddress(NETWORK);
  }

  /** Redis, listening. What an interrupted run left of it goes first. */
  static async redis(): Promise<OutsideServer> {
    // The companion that removes containers of dead programs comes from a registry, which not every machine reaches.
    if (process.env['RYUK_CONTAINER_IMAGE'] === undefined) process.env['TESTCONTAINERS_RYUK_DISABLED'] ??= 'true';
    await removeLeftovers();
    const container = await new GenericContainer(await ensureImage('redis'))
      .withNetworkMode(NETWORK)
      .withLabels({ [LABEL]: 'redis' })
      .withCommand(['redis-server', '--protected-mode', 'no', '--save', '', '--dir', '/tmp'])
      .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
      .start();
    return new OutsideServer(container);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#container.stop();
  }
}

async function removeLeftovers(): Promise<void> {
  const { stdout } = await tryProgram('docker', ['ps', '--all', '--quiet', '--filter', `label=${LABEL}`]);
  const ids = stdout.split('\n').filter((id) => id !== '');
  if (ids.length > 0) await tryProgram('docker', ['rm', '--force', ...ids]);
}

/** A thread that runs cases, so that one that never ends can be seen from outside. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { runCases } from './run.ts';

export interface WorkerTask {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** One 32-bit number: the case that is running. */
  readonly progress: SharedArrayBuffer;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const task = workerData as WorkerTask;
const progress = new Int32Array(task.progress);

function heapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

// What a codec keeps for good it has after a tenth of the run.
const warmUp = Math.floor(task.count / 10);
const step = (index: number): boolean => {
  progress[0] = index;
  return true;
};
const early = runCases(task.target, task.seed, task.from, warmUp, step);
const before = heapBytes();
const late = early ?? runCases(task.target, task.seed, task.from + warmUp, task.count - warmUp, step);
parentPort?.postMessage({ failure: late, grownBytes: heapBytes() - before });

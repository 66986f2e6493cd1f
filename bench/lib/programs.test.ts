import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { claimLoopback } from './loopback.ts';
import { treeCpuTimeUs } from './process-cost.ts';
import { endOf, ofRunning, startProgram, untilListening } from './programs.ts';

const LISTEN = "require('net').createServer().listen(Number(process.argv[2]), process.argv[1])";
const listener = (host: string, port: number) => startProgram([process.execPath, '-e', LISTEN, host, String(port)]);

test('a program whose address is taken is an error that names it and shows why, though somebody listens there', async () => {
  await using loopback = await claimLoopback();
  const host = loopback.next();
  await using first = listener(host, 8080);
  await untilListening(host, 8080, first);
  await using second = listener(host, 8080);
  await assert.rejects(
    untilListening(host, 8080, second),
    /node \(process \d+\) ended with exit code 1.*EADDRINUSE.*another program/s,
  );
});

test('figures of a program that has ended are an error with its exit and its last output', async () => {
  await using program = startProgram([process.execPath, '-e', "console.log('out of paper'); process.exit(3)"]);
  await once(program.child, 'close');
  assert.throws(
    () => ofRunning([program], () => treeCpuTimeUs(program.pid)),
    /node \(process \d+\) ended with exit code 3; its last output: out of paper/,
  );
});

test('a program that was killed is told by its signal', async () => {
  await using program = startProgram([process.execPath, '-e', 'setInterval(() => {}, 1000)']);
  assert.equal(endOf(program), undefined);
  program.child.kill('SIGKILL');
  await once(program.child, 'close');
  assert.match(endOf(program) ?? '', /was ended by SIGKILL; it printed nothing/);
});

test('a program that is not there is an error, not a wait', async () => {
  await using program = startProgram(['/nonexistent/proxy']);
  await assert.rejects(untilListening('127.0.0.1', 1, program), /proxy \(process -1\) could not be started.*ENOENT/s);
});

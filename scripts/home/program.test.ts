import assert from 'node:assert/strict';
import test from 'node:test';
import { runProgram, tryProgram } from './program.ts';

test('a program that is missing is named', async () => {
  await assert.rejects(runProgram('no-such-program-here', []), /^Error: no-such-program-here is not on PATH$/);
});

test('a failure tells the command, the code and what was said', async () => {
  const script = 'process.stderr.write("disk is full"); process.exit(3)';
  await assert.rejects(runProgram(process.execPath, ['-e', script]), /failed with code 3: disk is full$/);
  assert.deepEqual(await tryProgram(process.execPath, ['-e', script]), { code: 3, stdout: '', stderr: 'disk is full' });
});

test('input reaches the program, and one that does not read it is no failure', async () => {
  const echo = 'process.stdin.pipe(process.stdout)';
  assert.equal(await runProgram(process.execPath, ['-e', echo], { stdin: 'héllo' }), 'héllo');
  assert.equal(await runProgram(process.execPath, ['-e', ''], { stdin: Buffer.alloc(1 << 20) }), '');
});

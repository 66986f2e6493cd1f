import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { test } from 'node:test';

test('the door for injection loads neither gRPC nor a Kubernetes client', async () => {
  const asked: string[] = [];
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      asked.push(specifier);
      return next(specifier, context);
    },
  });
  const { patchPod } = await import('./inject.ts');
  hooks.deregister();
  assert.equal(typeof patchPod, 'function');
  assert.deepEqual(
    asked.filter((specifier) => /grpc|kube|control-client|proxy-api|pki/.test(specifier)),
    [],
  );
});

export { FakeControlPlane } from './fake-control-plane.ts';
export type { FakeStream, FakeTls } from './fake-control-plane.ts';
export { until } from './until.ts';

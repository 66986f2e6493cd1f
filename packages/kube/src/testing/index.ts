export { FakeApi } from './fake-api.ts';
export type { FakeApiOptions, FakeCall, FakeFault, FakeRawAnswer, FakeVerb } from './fake-api.ts';
export { FakeApiServer } from './fake-api-server.ts';
export { eventually } from './eventually.ts';

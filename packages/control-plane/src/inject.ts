export { injectMode, injectPod, INJECT_ANNOTATION, patchPod, patchService } from './injector/inject.ts';
export type { Injection, InjectionContext, PodPatch, SkipReason } from './injector/inject.ts';
export { jsonPatch } from './injector/json-patch.ts';
export type { PatchOperation } from './injector/json-patch.ts';
export { DEFAULT_INJECTION_VALUES, injectionValues } from './injector/values.ts';
export type { InjectionValues } from './injector/values.ts';

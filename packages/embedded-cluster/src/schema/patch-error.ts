/** Why a patch cannot be applied, with the `Status` that a client gets for it. */
import { MeshError } from '@mesh/runtime';
import { failure, type StatusObject } from './field-error.ts';

export interface PatchErrorInfo {
  /**
   * `patch_malformed`: not a patch of that kind (400); `patch_failed`: it does not fit the object (422);
   * `patch_internal`: what the API server answers with an unspecific 500.
   */
  readonly code: 'patch_malformed' | 'patch_failed' | 'patch_internal';
}

/** A patch that cannot be applied; `status` is what the API server answers. */
export class PatchError extends MeshError<PatchErrorInfo> {
  override readonly name = 'PatchError';
  readonly status: StatusObject;

  constructor(code: PatchErrorInfo['code'], message: string, details?: StatusObject['details']) {
    super({ code }, message);
    if (code === 'patch_malformed') this.status = failure(400, 'BadRequest', message, details);
    else if (code === 'patch_failed') this.status = failure(422, 'Invalid', message, details ?? {});
    else this.status = failure(500, '', message);
  }
}

/** Problems in messages, thrown inside conversion and caught at its edge. */
import { MeshError } from '@mesh/runtime';

export interface InvalidMessageInfo {
  readonly code: 'invalid_message';
  /** Path of the field, such as `protocol.detect.timeout`. */
  readonly field: string;
  readonly problem: string;
}

/** A message that does not keep the contract: naming the field and what is wrong with it. */
export class InvalidMessage extends MeshError<InvalidMessageInfo> {
  override readonly name = 'InvalidMessage';
  static at(field: string, problem: string): InvalidMessage {
    return new InvalidMessage({ code: 'invalid_message', field, problem }, `${field} ${problem}`);
  }
}

/** `value`, or an error that names the field. */
export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw InvalidMessage.at(field, 'is missing');
  return value;
}

import { type FieldError } from '../field-error.ts';
import { type JsonObject } from '../json.ts';
export function validateDefinition(_definition: JsonObject): FieldError[] {
  return [];
}
export function validateDefinitionUpdate(_definition: JsonObject, _old: JsonObject): FieldError[] {
  return [];
}

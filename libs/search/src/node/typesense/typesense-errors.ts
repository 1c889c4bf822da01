import { Errors } from 'typesense';
import { unavailable, type SearchOpenError, type SearchUnavailable } from '../../search-errors.ts';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const isNotFound = (error: unknown): boolean => error instanceof Errors.ObjectNotFound;

function adviceOf(error: unknown): string {
  if (error instanceof Errors.RequestUnauthorized)
    return 'Give Millrace a key that may do this; look whether it is the right one.';
  if (error instanceof Errors.ObjectNotFound)
    return 'Was a collection removed? Start Millrace again, or begin a rebuild.';
  if (error instanceof Errors.RequestMalformed || error instanceof Errors.ObjectUnprocessable) {
    return 'Is it Typesense 30 or newer? If it is, this is a defect: report it.';
  }
  return 'Look whether Typesense runs, has memory and disk left, and can be reached from here; it goes on by itself.';
}

/** @param index - which index it is, for a person. */
export const unavailableOf = (index: string, error: unknown): SearchUnavailable =>
  unavailable(`The search index ${index} could not be asked: ${messageOf(error)}.`, adviceOf(error));

export const openErrorOf = (index: string, error: unknown): SearchOpenError => ({
  code: error instanceof Errors.RequestUnauthorized ? 'denied' : 'unavailable',
  message: `The search index ${index} could not be opened: ${messageOf(error)}.`,
  whatToDo: adviceOf(error),
});

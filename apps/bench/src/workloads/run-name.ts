import { systemRandom } from '@millrace/kernel';

/** Short, so that names made of it stay within what an id may have. */
export const runName = (): string => systemRandom.id().slice(0, 12);

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the clone, wherever the command was typed. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @param {...string} parts - below the root */
export const inRoot = (...parts) => join(root, ...parts);

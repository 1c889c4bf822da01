import { FrameCheck } from '@millrace/protocol/frame-check';
import { afterEach, expect } from 'vitest';

/** Holds what the sockets of a test file carry against docs/asyncapi.yaml. */
export const frameCheck = new FrameCheck();

// Wherever such a socket is used, and whether or not the test thinks of it.
afterEach(() => {
  expect(frameCheck.take().problems).toEqual([]);
});

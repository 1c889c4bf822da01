import type {
  Drain,
  Ended,
  ErrorFrame,
  Heads,
  Live,
  Presence,
  Push,
  Receipt,
  Receipts,
  Resync,
  TypingNotice,
} from '@millrace/protocol';

export type { AnswerTo, RequestContent } from '@millrace/protocol';

/** What a server says of its own accord; an `error` among them answers a frame that it could not read. */
export type UnaskedFrame =
  Push | Live | Heads | Ended | Receipt | Receipts | Presence | TypingNotice | Resync | Drain | ErrorFrame;

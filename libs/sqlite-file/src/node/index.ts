export { FileReplaced, fileNumberOf } from './file-number.ts';
export { lockFile, type FileInUse } from './file-lock.ts';
export { FileThread, type FileThreadLimits, type ThreadNotStarted, type ThreadStart } from './file-thread.ts';
export {
  fileUnavailable,
  nameOfFile,
  type CallMessage,
  type FileCalls,
  type FileName,
  type FileUnavailable,
  type ReplyMessage,
} from './file-calls.ts';
export {
  openReader,
  openWriter,
  scalarOf,
  syncDirectory,
  within,
  type Connection,
  type Layout,
  type LayoutRefusal,
} from './open-database.ts';
export { serveFile, type ServedFile } from './serve-file.ts';
export { codeOf, isCorruption, unavailableOf } from './sqlite-errors.ts';

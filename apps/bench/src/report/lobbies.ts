import { whole } from './figures.ts';

/** What lobbies cost beside their messages. Bytes are resident memory of the servers together. */
export interface LobbiesFigures {
  readonly createdPerMinute: number;
  /** Members who came in, those who created left out. */
  readonly joinedPerMinute: number;
  /** From the last join until all devices were told where their lobbies stand. */
  readonly standSeconds: number;
  /** Until every member was told the end. */
  readonly droppedPerMinute: number;
  readonly residentBytes: {
    /** With all sockets, and no lobby. */
    readonly before: number | null;
    /** With all members in their lobbies. */
    readonly full: number | null;
    /** When all messages were said. */
    readonly loaded: number | null;
    /** Some seconds behind the end of the last one. */
    readonly after: number | null;
  };
}

const mebibytes = (bytes: number | null): string => (bytes === null ? '-' : whole(bytes / 2 ** 20));

/** For people. */
export function lobbiesLines(
  figures: LobbiesFigures,
  { lobbies, members }: { readonly lobbies: number; readonly members: number },
): readonly string[] {
  const { createdPerMinute, joinedPerMinute, standSeconds, droppedPerMinute, residentBytes } = figures;
  const { before, full, loaded, after } = residentBytes;
  return [
    `${whole(lobbies)} lobbies of ${whole(members)}, a minute: ${whole(createdPerMinute)} created, ` +
      `${whole(joinedPerMinute)} joins, ${whole(droppedPerMinute)} dropped; all stood ${standSeconds.toFixed(2)} s after the last join`,
    `servers, MiB: ${mebibytes(before)} before, ${mebibytes(full)} with all in, ${mebibytes(loaded)} when all was said, ` +
      `${mebibytes(after)} after the end`,
  ];
}

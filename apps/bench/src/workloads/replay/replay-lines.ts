/** What `millrace replay` and `millrace verify` print in the end, for people; null when it is not there. */

export interface ReplayedLine {
  readonly messages: number;
  readonly perSecond: number;
}

export interface VerifiedLines {
  readonly messages: number;
  readonly conversations: number;
  readonly members: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly gaps: number;
  /** Entries that were read as all members together. */
  readonly entriesRead: number;
  readonly entriesPerSecond: number;
}

const numberOf = (text: string | undefined): number => Number((text ?? '').replaceAll(',', ''));

export function replayedLine(lines: readonly string[]): ReplayedLine | null {
  for (const line of lines) {
    const found = /^replayed (\d+) messages in .* \(([\d,]+)\/s\)$/.exec(line);
    if (found !== null) return { messages: numberOf(found[1]), perSecond: numberOf(found[2]) };
  }
  return null;
}

export function verifiedLines(lines: readonly string[]): VerifiedLines | null {
  const text = lines.join('\n');
  const read = /^read ([\d,]+) entries as [\d,]+ members in .* \(([\d,]+)\/s\)$/m.exec(text);
  const verdict =
    /^verified ([\d,]+) messages, ([\d,]+) conversations, ([\d,]+) members: ([\d,]+) lost, ([\d,]+) duplicated, ([\d,]+) gaps/m.exec(
      text,
    );
  if (read === null || verdict === null) return null;
  const [messages, conversations, members, lost, duplicated, gaps] = verdict.slice(1).map(numberOf);
  return {
    messages: messages ?? 0,
    conversations: conversations ?? 0,
    members: members ?? 0,
    lost: lost ?? 0,
    duplicated: duplicated ?? 0,
    gaps: gaps ?? 0,
    entriesRead: numberOf(read[1]),
    entriesPerSecond: numberOf(read[2]),
  };
}

import type { Random } from '@millrace/kernel';
import type { SearchDocument, SearchFilters } from '../search-index.ts';

const pick = <T>(random: Random, all: readonly T[]): T | undefined => all[Math.floor(random.fraction() * all.length)];

/** How far around a message's time others may have come, milliseconds: an hour to some weeks. */
const AROUND_MS = [3_600_000, 86_400_000, 14 * 86_400_000];

/** What half of the questions ask beside the words, so that this message passes: its sender, type, time or fields, or two of these. */
export function narrowingOf(random: Random, document: SearchDocument): SearchFilters {
  if (random.fraction() < 0.5) return {};
  const { sender, type, at, fields } = document;
  const around = pick(random, AROUND_MS) ?? 0;
  const [name, is] = pick(random, Object.entries(fields)) ?? [];
  const all: readonly SearchFilters[] = [
    { senders: [sender] },
    { since: at - around },
    { until: at + around },
    { since: at - around, until: at + around },
    { senders: [sender], types: [type] },
    ...(name === undefined || is === undefined
      ? []
      : [{ fields: [{ name, is }] }, { senders: [sender], fields: [{ name, is }] }]),
  ];
  return pick(random, all) ?? {};
}

/** Whether a message is as was asked beside the words. Of fields only those that have one value. */
export function isNarrowed(document: SearchDocument, filters: SearchFilters): boolean {
  const { senders, types, since = -Infinity, until = Infinity, fields = [] } = filters;
  return (
    (senders?.includes(document.sender) ?? true) &&
    (types?.includes(document.type) ?? true) &&
    document.at >= since &&
    document.at <= until &&
    fields.every((field) => 'is' in field && document.fields[field.name] === field.is)
  );
}

/**
 * Whether the embedded search index finds all that is there: questions that are made of a corpus's own messages, held
 * against a look at every message that is visible. `node scripts/search-recall.mjs --help`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { generation, parseConversationId, parseUserId, seededRandom, sequenceId } from '@millrace/kernel';
import type { SearchDocument } from '@millrace/search';
import { SqliteSearch } from '@millrace/search/sqlite';
import { measureRecall } from '@millrace/search/testing';
import { optionsOf, refuse, whole } from './options.ts';

const HELP = `node scripts/search-recall.mjs --corpus FILE [options]

  --corpus FILE    one JSON object a line, {"channel", "at", "from", "text"}, gzipped or plain; may be given several times
  --questions N    how many, 1 to 100000. Default: 2000
  --messages N     of each file the first ones. Default: all
  --seed N         of the questions. Default: 1`;

const values = optionsOf(HELP, {
  corpus: { type: 'string', multiple: true, default: [] },
  questions: { type: 'string', default: '2000' },
  messages: { type: 'string', default: '10000000' },
  seed: { type: 'string', default: '1' },
});
const questions = whole('questions', values.questions, [1, 100_000]);
const messages = whole('messages', values.messages, [1, 10_000_000]);
const seed = whole('seed', values.seed, [0, 0xffff_ffff]);
if (values.corpus.length === 0) refuse('Name a corpus: --corpus FILE.');

const idOf = (text: string): string => text.replace(/[^A-Za-z0-9._~-]/g, '-').slice(0, 60) || '-';
const heads = new Map<string, number>();

function documentOf(file: string, number: number, line: string): SearchDocument {
  const { channel, at, from, text } = JSON.parse(line) as Readonly<Record<string, string | undefined>>;
  const conversation = parseConversationId(idOf(channel ?? ''));
  const sender = parseUserId(idOf(from ?? ''));
  if (at === undefined || text === undefined || !conversation.ok || !sender.ok) {
    throw new Error(`${file}, line ${String(number)}: channel, at, from and text are needed`);
  }
  const seq = (heads.get(conversation.value) ?? 0) + 1;
  heads.set(conversation.value, seq);
  const position = { conversation: conversation.value, gen: generation(1), seq: sequenceId(seq), rev: 0 };
  const nobody = {
    mentions: [],
    mentionAll: false,
    fields: { weekday: new Date(at).getUTCDay(), short: text.length < 40 },
  };
  return { ...position, sender: sender.value, type: 'text', at: Date.parse(at), text, ...nobody };
}

function documentsIn(file: string): readonly SearchDocument[] {
  const bytes = readFileSync(file);
  const lines = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString().split('\n').slice(0, messages);
  return lines.flatMap((line, at) => (line === '' ? [] : [documentOf(file, at + 1, line)]));
}

const documents = values.corpus.flatMap(documentsIn);
const directory = mkdtempSync(join(tmpdir(), 'millrace-recall-'));
const program = pathToFileURL(join(dirname(fileURLToPath(import.meta.url)), 'search-worker.mjs'));
const opened = await SqliteSearch.open({ directory, program });
if (!opened.ok) refuse(`The index cannot be opened: ${opened.error.message}`);
const beganMs = performance.now();
const report = await measureRecall(opened.value, documents, questions, seededRandom(seed), (asked) => {
  if (asked % 200 === 0) console.error(`• ${String(asked)} of ${String(questions)} questions`);
});
await opened.value.close();
rmSync(directory, { recursive: true });
const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
console.log(`${String(report.messages)} messages, ${String(questions)} questions, ${seconds} s`);
for (const { kind, questions: asked, narrowed, wanted, found, wrong } of report.kinds) {
  const recall = wanted === 0 ? '-' : (found / wanted).toFixed(4);
  console.log(
    `  ${kind.padEnd(16)} ${String(asked)} asked, ${String(narrowed)} of them narrowed, ${String(found)} of ${String(wanted)} found, ${String(wrong)} too many, recall ${recall}`,
  );
}
for (const miss of report.misses) console.log(`  ${miss}`);
process.exitCode = report.misses.length === 0 ? 0 : 1;

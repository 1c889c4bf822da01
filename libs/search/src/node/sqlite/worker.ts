/** A thread of a search index, a program of its own. */
import { workerData } from 'node:worker_threads';
import { serveFile } from '@millrace/sqlite-file';
import type { SearchOpenError } from '../../search-errors.ts';
import { indexNamed, type ReaderCalls, type ThreadTask, type WriterCalls } from './index-calls.ts';
import { IndexReader } from './index-reader.ts';
import { IndexWriter } from './index-writer.ts';

const task = workerData as ThreadTask;
const served = {
  file: indexNamed(task.directory),
  ifDamaged: 'The index is damaged: stop Millrace and remove its directory. It is made anew from the conversations.',
  ifReplaced: 'Start Millrace again: the index is made anew from the conversations.',
};

if (task.role === 'writer') serveFile<WriterCalls, SearchOpenError>({ ...served, open: () => IndexWriter.open(task) });
else serveFile<ReaderCalls, SearchOpenError>({ ...served, open: () => IndexReader.open(task) });

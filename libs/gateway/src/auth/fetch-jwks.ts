import { err, ok, type Result, type Timers } from '@millrace/kernel';

/** A key set of a hundred RSA keys is about 50 kB. */
const JWKS_BYTES_MAX = 262_144;

async function readBounded(body: ReadableStream<Uint8Array>): Promise<Result<string, string>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > JWKS_BYTES_MAX) return err(`the answer is over ${String(JWKS_BYTES_MAX)} bytes`);
    chunks.push(chunk);
  }
  return ok(Buffer.concat(chunks).toString('utf8'));
}

/** Gets the text at `url`, within `timeoutMs`, following no redirect: who answers there decides who may sign. */
export async function fetchJwks(url: string, timeoutMs: number, timers: Timers): Promise<Result<string, string>> {
  const abort = new AbortController();
  const cancel = timers.after(timeoutMs, () => {
    abort.abort();
  });
  try {
    const headers = { accept: 'application/jwk-set+json, application/json' };
    const response = await fetch(url, { signal: abort.signal, redirect: 'error', headers });
    if (response.status !== 200 || response.body === null) return err(`it answered ${String(response.status)}`);
    return await readBounded(response.body);
  } catch (error) {
    if (abort.signal.aborted) return err(`no answer within ${String(timeoutMs)} ms`);
    return err(error instanceof Error ? error.message : String(error));
  } finally {
    cancel();
  }
}

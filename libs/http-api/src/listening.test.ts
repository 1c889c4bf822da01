import { once } from 'node:events';
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { systemTimers } from '@millrace/kernel';
import { HttpApi } from './http-api.ts';
import type { HttpApiConfig } from './http-api-config.ts';
import { OpenApiDocument } from './schema.ts';
import { testKeys, testParts } from './testing/test-api.ts';

const running: HttpApi[] = [];

async function listening(config: Partial<HttpApiConfig> = {}) {
  const made = testParts(config);
  const started = await HttpApi.start({ ...made.parts, timers: systemTimers });
  if (!started.ok) throw new Error(started.error.message);
  running.push(started.value);
  return { ...made, api: started.value, url: `http://127.0.0.1:${String(started.value.port)}` };
}

/** Sends raw bytes and reads until the server closes. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (answer += chunk));
  await once(socket, 'connect');
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

describe('the HTTP API on a socket', () => {
  afterEach(async () => {
    await Promise.all(running.splice(0).map((api) => api.close(0)));
  });

  it('answers as the document says', async () => {
    const { url } = await listening();
    const response = await fetch(`${url}/api/v1/conversations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testKeys.writer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ creator: 'alice', kind: 'group', conversation: 'team' }),
    });
    const observed = {
      method: 'POST',
      url: '/api/v1/conversations',
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: await response.text(),
    };
    expect(observed.status).toBe(201);
    expect(new OpenApiDocument().problems(observed)).toEqual([]);
    expect(await (await fetch(`${url}/api/v1/endpoints`)).json()).toMatchObject({ websocket: 'ws://127.0.0.1:7401' });
  });

  it('says in words when its port is taken', async () => {
    const { api, parts } = await listening();
    const again = { ...parts, config: { ...parts.config, port: api.port }, metrics: new Registry() };
    const second = await HttpApi.start({ ...again, timers: systemTimers });
    expect(second).toMatchObject({ ok: false, error: { code: 'port_taken' } });
  });

  it('answers what is not HTTP, and a request that never ends, in the error form', async () => {
    const { api } = await listening({ requestMs: 200 });
    expect(await raw(api.port, 'ANNOY / me\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*"code":"bad_request"/);
    expect(await raw(api.port, `GET / HTTP/1.1\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
  });

  it('cuts a handler that takes too long, with an answer that a retry is safe after', async () => {
    const { url, chat } = await listening({ answerMs: 100 });
    chat.gate = new Promise(() => undefined);
    const response = await fetch(`${url}/api/v1/conversations/team`, {
      headers: { authorization: `Bearer ${testKeys.reader}` },
    });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'unavailable', retry: 'later' } });
  });

  it('finishes what is under way before it closes, and refuses what comes after', async () => {
    const { url, chat, api } = await listening();
    let open: () => void = () => undefined;
    chat.gate = new Promise((resolve) => (open = resolve));
    const headers = { authorization: `Bearer ${testKeys.reader}` };
    const underWay = fetch(`${url}/api/v1/conversations/team`, { headers });
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);
    api.drain();
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    expect((await fetch(`${url}/api/v1/conversations/team`, { headers })).status).toBe(503);
    const closed = api.close(10_000);
    open();
    expect((await underWay).status).toBe(404);
    await closed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('answers on while it leaves its port to others, and keeps no connection', async () => {
    const { url, api } = await listening();
    const idle = connect(api.port, '127.0.0.1');
    const idleClosed = once(idle, 'close');
    idle.on('data', () => undefined).write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(idle, 'data');
    const halfAsked = connect(api.port, '127.0.0.1');
    let told = '';
    halfAsked.setEncoding('utf8').on('data', (chunk: string) => (told += chunk));
    halfAsked.write('GET /api/v1/conversations/team HTTP/1.1\r\nhost: a\r\n');
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status).toBe(200);
    api.leave();
    await idleClosed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    const closed = once(halfAsked, 'close');
    halfAsked.write(`authorization: Bearer ${testKeys.reader}\r\n\r\n`);
    await closed;
    expect(told).toMatch(/^HTTP\/1.1 404 [\s\S]*connection: close/i);
    await api.close(10_000);
    await api.close(10_000);
  });

  it('does not wait for a request beyond the grace', async () => {
    const { url, chat, api } = await listening();
    chat.gate = new Promise(() => undefined);
    const headers = { authorization: `Bearer ${testKeys.reader}` };
    const cut = fetch(`${url}/api/v1/conversations/team`, { headers });
    const refused = expect(cut).rejects.toThrow();
    await expect.poll(async () => (await fetch(`${url}/healthz`)).status).toBe(200);
    await api.close(50);
    await refused;
  });
});

import { err, systemTimers } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { MemoryLog } from '../testing/test-gateway.ts';
import { pickEngine } from './pick-engine.ts';
import { loadUws } from './uws-api.ts';

const broken = () => err('version GLIBC_2.38 not found');

describe('the choice of a socket engine', () => {
  it('takes uWebSockets.js where it loads, else ws, and logs which and why', () => {
    const log = new MemoryLog();
    expect(pickEngine('auto', systemTimers, log, broken)).toMatchObject({ ok: true, value: { name: 'ws' } });
    expect(log.lines).toEqual([
      'info socket engine: ws {"engine":"ws","why":"uWebSockets.js does not load: version GLIBC_2.38 not found"}',
    ]);
    const expected = loadUws().ok ? 'uws' : 'ws';
    expect(pickEngine('auto', systemTimers, log)).toMatchObject({ ok: true, value: { name: expected } });
    expect(log.lines).toHaveLength(2);
  });

  it('takes what is named, or says why it cannot', () => {
    const log = new MemoryLog();
    expect(pickEngine('ws', systemTimers, log, broken)).toMatchObject({ ok: true, value: { name: 'ws' } });
    expect(pickEngine('uws', systemTimers, log, broken)).toEqual(
      err('the socket engine uws is configured, but uWebSockets.js does not load: version GLIBC_2.38 not found'),
    );
  });

  it('does without the package when it is not there, and says so in one line', () => {
    const missing = loadUws(() => {
      throw new Error("Cannot find module 'uWebSockets.js'\nRequire stack:\n- /srv/dist/server.mjs");
    });
    expect(missing).toEqual(err("Cannot find module 'uWebSockets.js'"));
    const unsupported = loadUws(() => {
      throw new Error('This version supports Node.js 20.\n\nError: /lib/libc.so.6: version GLIBC_2.38 not found');
    });
    expect(unsupported).toEqual(err('Error: /lib/libc.so.6: version GLIBC_2.38 not found'));
  });
});

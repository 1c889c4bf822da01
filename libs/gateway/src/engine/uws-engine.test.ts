import { systemTimers } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { crowdConformance } from '../testing/crowd-conformance.ts';
import { socketEngineConformance } from '../testing/engine-conformance.ts';
import { loadUws } from './uws-api.ts';
import { UwsEngine } from './uws-engine.ts';

describe('the engine on uWebSockets.js', () => {
  const uws = loadUws();
  if (uws.ok) {
    socketEngineConformance(() => new UwsEngine(uws.value, systemTimers));
    crowdConformance(() => new UwsEngine(uws.value, systemTimers));
  } else {
    it('says in one line why its binary does not load on this machine', () => {
      expect(uws.error).toMatch(/^.{5,300}$/);
    });
  }
});

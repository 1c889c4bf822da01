import { describe, expect, it } from 'vitest';
import { createLog } from './logging.ts';

function logged(logFormat: 'text' | 'json', logLevel: 'debug' | 'info' = 'info') {
  const lines: string[] = [];
  const log = createLog({ logFormat, logLevel, nodeName: 'n1' }, { write: (line: string) => lines.push(line) });
  return { log, lines };
}

describe('the log', () => {
  it.each(['text', 'json'] as const)('shows nothing secret as %s, however deep it sits', (format) => {
    const { log, lines } = logged(format);
    const secret = 'hunter2';
    log.info('a', { token: secret, apiKey: secret, authorization: secret, body: secret, redisUrl: secret });
    log.warn('b', { headers: { authorization: secret }, frame: { body: secret, inner: { token: secret } } });
    log.error('c', { one: { two: { three: { password: secret } } } });
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toContain(secret);
    expect(lines.join('')).toContain('[redacted]');
  });

  it('is one JSON object a line for programs, with the node', () => {
    const { log, lines } = logged('json');
    log.info('a message', { port: 7400 });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 30, node: 'n1', msg: 'a message', port: 7400 });
  });

  it('is one line a message for people, with a stack below it', () => {
    const { log, lines } = logged('text');
    log.warn('it broke', { port: 7400, why: 'two words', error: 'Error: x\n    at y' });
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}it broke port=7400 why="two words" error=\n {4}Error: x\n/,
    );
  });

  it('names the process in each line for people, where there are several', () => {
    const lines: string[] = [];
    const out = { write: (line: string) => lines.push(line) };
    createLog({ logFormat: 'text', logLevel: 'info', nodeName: 'n1' }, out, 'n1').info('it runs', { port: 1 });
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}n1 {2}it runs port=1\n$/);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = logged('json');
    log.debug('quiet');
    expect(lines).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { postgresAddress } from './postgres-address.ts';

const refused = (text: string): string => {
  const outcome = postgresAddress(text);
  if (outcome.ok) return 'accepted';
  expect(outcome.error.code).toBe('bad_address');
  return outcome.error.message + outcome.error.whatToDo;
};

describe('the address of a PostgreSQL', () => {
  it('is taken apart, decoded, and shown without its password', () => {
    const outcome = postgresAddress('postgres://ann:p%40ss%2Fword@db.example:6543/chat?sslmode=verify-full');
    expect(outcome).toEqual({
      ok: true,
      value: {
        host: 'db.example',
        port: 6543,
        database: 'chat',
        user: 'ann',
        password: 'p@ss/word',
        ssl: true,
        shown: 'postgres://ann@db.example:6543/chat',
      },
    });
  });

  it('has the usual port, no TLS and an empty password unless it says otherwise, and may name a socket or IPv6', () => {
    const value = { port: 5432, ssl: false, password: '' };
    expect(postgresAddress('postgresql://ann@localhost/chat')).toMatchObject({ ok: true, value });
    expect(postgresAddress('postgres://ann@socket/chat?host=/run/postgresql')).toMatchObject({
      ok: true,
      value: { host: '/run/postgresql' },
    });
    expect(postgresAddress('postgres://ann@[::1]/chat')).toMatchObject({ ok: true, value: { host: '::1' } });
    expect(postgresAddress('postgres://ann@h/chat?sslmode=no-verify')).toMatchObject({
      ok: true,
      value: { ssl: { rejectUnauthorized: false } },
    });
  });

  it.each([
    ['not a url, with hunter2 in it', 'URL'],
    ['mysql://ann:hunter2@host/chat', 'postgres://'],
    ['postgres://:hunter2@host/chat', 'user'],
    ['postgres://ann:hunter2@/chat', 'URL'],
    ['postgres://ann:hunter2@host/chat?host=', 'host'],
    ['postgres://ann:hunter2@host', 'database'],
    ['postgres://ann:hunter2%zz@host/chat', '%'],
    ['postgres://ann:hunter2@host/chat?sslmode=maybe', 'sslmode'],
    ['postgres://ann:hunter2@host/chat?sslmode=require&sslrootcert=/nowhere.pem', 'sslrootcert'],
    ['postgres://ann:hunter2@host/chat?options=-c', 'options'],
  ])('%s is refused for what is wrong with it, and its password is not repeated', (text, reason) => {
    expect(refused(text)).toContain(reason);
    expect(refused(text)).not.toContain('hunter2');
  });
});

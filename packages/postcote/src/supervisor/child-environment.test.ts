import { expect, it } from 'vitest';
import { childEnvironment } from './child-environment.ts';

it('hands on where things are and no more', () => {
  const given = { PATH: '/bin', LC_ALL: 'C', POSTCOTE_DNS_SERVERS: '127.0.0.1', JOURNAL_STREAM: '8:1' };
  expect(
    childEnvironment(
      { ...given, AWS_SECRET: 'x', NODE_OPTIONS: '--inspect', HOME: '/root', EMPTY: undefined },
      16,
    ),
  ).toEqual({ ...given, UV_THREADPOOL_SIZE: '16' });
});

import { describe, expect, it } from 'vitest';
import { filterReply } from './reply-filter.ts';
import { filterStatus } from './status-filter.ts';

const table = (rows: readonly (readonly [RegExp, string])[]) => ({
  find(key: string) {
    const row = rows.find(([pattern]) => pattern.test(key));
    return row === undefined ? undefined : { value: key.replace(row[0], row[1]) };
  },
});
const broken = {
  find() {
    throw new Error('gone');
  },
};

describe('filterStatus', () => {
  const bounced = { index: 0, status: 'bounced', dsn: '5.7.1', text: 'host x said: 554 blocked' } as const;
  const sent = { index: 1, status: 'sent', dsn: '2.0.0', text: '250 ok' } as const;
  it.each<[string, readonly (readonly [RegExp, string])[], object]>([
    [
      'softens',
      [[/^5(.*blocked)$/, '4$1']],
      { status: 'deferred', dsn: '4.7.1', text: 'host x said: 554 blocked' },
    ],
    [
      'rewords',
      [[/^(5\.7\.1) .*/, '$1 try the form']],
      { status: 'bounced', dsn: '5.7.1', text: 'try the form' },
    ],
    ['makes no success', [[/^5.*/, '2.0.0 fine']], bounced],
    ['needs a status and a text', [[/^5.*/, '4.7.1']], bounced],
    ['leaves others alone', [[/^9/, '4.0.0 x']], bounced],
  ])('%s', async (_, rows, expected) =>
    expect((await filterStatus([bounced], table(rows)))[0]).toMatchObject(expected),
  );
  it('makes no failure of a success, and survives its table', async () => {
    expect(await filterStatus([sent], table([[/^2.*/, '5.0.0 no']]))).toEqual([sent]);
    expect(await filterStatus([sent, bounced], broken)).toEqual([sent, bounced]);
  });
});

describe('filterReply', () => {
  const reply = { code: 550, lines: ['5.1.1 one', 'two'] };
  it.each<[string, readonly (readonly [RegExp, string])[], object]>([
    ['another code', [[/^5(50[ -].*)$/, '4$1']], { code: 450, lines: ['5.1.1 one', 'two'] }],
    [
      'another text',
      [[/^550 two/, '550 three']],
      { code: 550, status: '5.1.1', lines: ['5.1.1 one', 'three'] },
    ],
    ['no reply line', [[/^550.*/, 'OK']], { code: 550, lines: ['5.1.1 one', 'two'] }],
  ])('%s', async (_, rows, expected) =>
    expect(await filterReply(reply, table(rows))).toMatchObject(expected),
  );
  it('survives its table', async () => expect((await filterReply(reply, broken)).code).toBe(550));
});

import { describe, expect, it } from 'vitest';
import {
  checkAnswers,
  guideFiles,
  siteKinds,
  systemPaths,
  type GuideAnswers,
  type SiteKind,
} from './guide-files.ts';
import { mustNotStart, readConfiguration } from './load.ts';
import { formatProblem } from './origin.ts';
import { guideRestrictions, makeMemorySystem, makeMemoryTables } from './testing/index.ts';

const answersFor = (kind: SiteKind, more: Partial<GuideAnswers> = {}): GuideAnswers => ({
  kind,
  mailName: 'lollipop.example.com',
  smarthost: '[smtp.example.net]:587',
  rootReader: 'username',
  certificateFile: '/etc/postcote/cert.pem',
  keyFile: '/etc/postcote/key.pem',
  paths: systemPaths,
  ...more,
});

function load(answers: GuideAnswers): ReturnType<typeof readConfiguration> {
  const files = Object.fromEntries(guideFiles(answers).map(({ path, text }) => [path, text]));
  const machine = { files };
  return readConfiguration({
    postfixDirectory: answers.paths.postfixDirectory,
    dovecotConf: answers.paths.dovecotConf,
    system: makeMemorySystem(machine),
    tables: makeMemoryTables(machine),
    supportedRestrictions: new Set([...guideRestrictions, 'permit', 'reject']),
  });
}

describe('guideFiles', () => {
  it.each(siteKinds.filter((kind) => kind !== 'No configuration'))(
    'make a server that starts: %s',
    async (kind) => {
      const { problems, postfix, tables, listeners, dovecot } = load(answersFor(kind));
      expect(problems.filter(({ severity }) => severity === 'refuse').map(formatProblem)).toEqual([]);
      expect(mustNotStart(problems)).toBe(false);
      expect(await tables.matchList(postfix, 'mydestination').matches({ name: 'lollipop.example.com' })).toBe(
        true,
      );
      expect(await tables.parameter(postfix, 'alias_maps').lookup('root')).toBe('username');
      expect(postfix.known.homeMailbox).toBe('mail/');
      expect(new Set(listeners.map(({ port, implicitTls }) => `${port} ${implicitTls}`))).toEqual(
        new Set(['25 false', '587 false', '465 true']),
      );
      const isClosed = kind === 'Satellite system' || kind === 'Local only';
      expect(listeners.every(({ address }) => address === '127.0.0.1' || address === '::1')).toBe(isClosed);
      expect(dovecot.listeners.every(({ address }) => address === '127.0.0.1' || address === '::1')).toBe(
        isClosed,
      );
      expect(dovecot.protocols).toEqual(new Set(['imap', 'pop3']));
      const hasSmarthost = kind === 'Internet with smarthost' || kind === 'Satellite system';
      expect(postfix.known.relayhost).toBe(hasSmarthost ? '[smtp.example.net]:587' : '');
    },
  );

  it('accept mail for a mail name that is not the host’s', async () => {
    const { postfix, tables } = load(
      answersFor('Internet Site', { mailName: 'example.com', hostname: 'mx.example.com' }),
    );
    const ours = tables.matchList(postfix, 'mydestination');
    expect(await ours.matches({ name: 'example.com' })).toBe(true);
    expect(await ours.matches({ name: 'mx.example.com' })).toBe(true);
    expect(postfix.known.myorigin).toBe('example.com');
  });

  it('do not claim localhost.com', () => {
    const { postfix } = load(answersFor('Internet Site', { mailName: 'example.com' }));
    expect(postfix.known.mydestination).toEqual(['example.com', 'localhost']);
  });

  it('are none for "No configuration"', () => expect(guideFiles(answersFor('No configuration'))).toEqual([]));

  it.each([
    ['Internet Site', { mailName: 'nodots' }],
    ['Internet Site', { mailName: 'a b.example.com' }],
    ['Internet Site', { mailName: 'x.example.com\nrelayhost = evil' }],
    ['Internet Site', { hostname: '-x.example.com' }],
    ['Internet with smarthost', { smarthost: '' }],
    ['Satellite system', { smarthost: 'a b' }],
    ['Internet Site', { certificateFile: 'relative.pem' }],
  ] as const)('ask again: %s %j', (kind, more) => {
    expect(checkAnswers(answersFor(kind, more))).toBeTypeOf('string');
  });

  it('take sensible answers', () => expect(checkAnswers(answersFor('Internet Site'))).toBeUndefined());
});

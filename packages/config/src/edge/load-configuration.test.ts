import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@postcote/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guideFiles } from '../guide-files.ts';
import { mustNotStart } from '../load.ts';
import { guideRestrictions } from '../testing/index.ts';
import { loadConfiguration } from './load-configuration.ts';
import { writeGuideFiles } from './write-guide-files.ts';

describe('init, then load', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'postcote-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const files = (): ReturnType<typeof guideFiles> =>
    guideFiles({
      kind: 'Internet Site',
      mailName: 'mail.example.com',
      certificateFile: join(folder, 'cert.pem'),
      keyFile: join(folder, 'key.pem'),
      paths: {
        postfixDirectory: join(folder, 'postfix'),
        aliases: join(folder, 'aliases'),
        dovecotConf: join(folder, 'dovecot', 'dovecot.conf'),
      },
    });

  it('writes what is not there and leaves alone what is', () => {
    writeFileSync(join(folder, 'aliases'), 'mine: me\n');
    expect(writeGuideFiles(files()).map(({ kind }) => kind)).toEqual([
      'written',
      'written',
      'written',
      'exists',
      'written',
    ]);
    expect(readFileSync(join(folder, 'aliases'), 'utf8')).toBe('mine: me\n');
    expect(writeGuideFiles(files()).every(({ kind }) => kind === 'exists')).toBe(true);
  });

  it('reads them back from the real machine', async () => {
    writeGuideFiles(files());
    const loaded = loadConfiguration({
      postfixDirectory: join(folder, 'postfix'),
      dovecotConf: join(folder, 'dovecot', 'dovecot.conf'),
      supportedRestrictions: new Set([...guideRestrictions, 'permit', 'reject']),
      log: silentLog,
    });
    expect(loaded.problems.filter(({ severity }) => severity === 'refuse')).toEqual([]);
    expect(mustNotStart(loaded.problems)).toBe(false);
    const recipients = loaded.tables.parameter(loaded.postfix, 'local_recipient_maps');
    expect(await recipients.lookup('root')).toMatch(/^root:/);
    expect(
      await loaded.tables.matchList(loaded.postfix, 'mynetworks').matches({ address: '127.0.0.1' }),
    ).toBe(true);
    loaded.tableFiles.start();
    loaded.tableFiles.stop();
  });
});

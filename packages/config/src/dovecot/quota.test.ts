// Quotas in the forms of 2.3 and 2.4.

import { describe, expect, it } from 'vitest';
import type { System } from '../system.ts';
import { normaliseDovecot } from './normalise.ts';
import { parseDovecot } from './parse.ts';
import { parseQuotaRule, readQuota } from './quota.ts';

const system = { readFile: () => ({ kind: 'missing' }) } as unknown as System;

function read(text: string) {
  const normalised = normaliseDovecot(parseDovecot('d', text, system).nodes);
  const { settings, problems } = readQuota({ ...normalised, setting: () => 'no' });
  return { settings, said: problems.map(({ name }) => name) };
}

const PLUGIN = `plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G:messages=1000
  quota_rule2 = Trash:storage=+100M
  quota_rule3 = Junk:ignore
  quota_grace = 5%%
  quota_exceeded_message = Full
  quota_warning = storage=95%% quota-warning 95 %u
  quota_max_mail_size = 20M
}
`;

describe('quotas of 2.3', () => {
  it('are read where the plugin is loaded', () => {
    expect(read(PLUGIN).settings).toBeUndefined();
    const { settings, said } = read(
      `mail_plugins = $mail_plugins quota\nprotocol imap {\n mail_plugins = $mail_plugins imap_quota\n}\n${PLUGIN}`,
    );
    expect(settings).toEqual({
      exceededMessage: 'Full',
      maxMessageSize: 20 * 1024 ** 2,
      fullTempfail: false,
      imap: true,
      roots: [
        {
          name: 'User quota',
          driver: 'maildir',
          rules: [
            {
              mailbox: '*',
              ignore: false,
              storage: { value: 1024 ** 3, kind: 'absolute' },
              messages: { value: 1000, kind: 'absolute' },
            },
            { mailbox: 'Trash', ignore: false, storage: { value: 100 * 1024 ** 2, kind: 'more' } },
            { mailbox: 'Junk', ignore: true },
          ],
          grace: { value: 5, kind: 'percent' },
          enforce: true,
          hidden: false,
        },
      ],
    });
    expect(said).toEqual(['quota_warning']);
  });

  it('may be several, counted or not kept here', () => {
    const { settings, said } = read(
      'mail_plugins = quota\nplugin {\n quota = fs:Disk\n quota2 = dict:Mail::noenforcing:file:%h/q\n quota2_rule = *:bytes=77\n quota2_rule2 = nonsense\n quota3 = count:Other\n}\n',
    );
    expect(settings?.roots.map(({ name, driver, enforce }) => [name, driver, enforce])).toEqual([
      ['Mail', 'count', false],
      ['Other', 'count', true],
    ]);
    expect(settings?.roots[0]?.rules).toHaveLength(1);
    expect(said).toEqual(['quota', 'quota2', 'quota2_rule2']);
    expect(settings?.imap).toBe(false);
  });

  it('say where Postfix asks, and what it is told', () => {
    const service =
      'service quota-status {\n inet_listener {\n port = 12340\n }\n unix_listener /q/private/qs {\n }\n}\n';
    const { settings, said } = read(
      `mail_plugins = quota\n${PLUGIN}${service}plugin {\n quota_status_success = DUNNO\n}\n`,
    );
    expect(settings?.status).toEqual({
      ports: [12_340],
      paths: ['/q/private/qs'],
      success: 'DUNNO',
      noUser: 'REJECT Unknown user',
      overQuota: '554 5.2.2 Full',
    });
    expect(said).toEqual(['quota_warning']);
  });

  it.each([
    ['*:storage=10', { storage: { value: 10_240, kind: 'absolute' } }],
    ['*:storage=10b', { storage: { value: 10, kind: 'absolute' } }],
    ['*:bytes=10', { storage: { value: 10, kind: 'absolute' } }],
    ['*:storage=+10%%', { storage: { value: 10, kind: 'morePercent' } }],
    ['*:storage=50%', { storage: { value: 50, kind: 'percent' } }],
    ['*:messages=-3', { messages: { value: -3, kind: 'more' } }],
  ])('%s', (text, expected) => {
    expect(parseQuotaRule(text)).toEqual({ mailbox: '*', ignore: false, ...expected });
  });

  it.each(['', '*', ':storage=1', '*:storage=x', '*:storage=', '*:messages=1.5', '*:color=red'])(
    '%j is no rule',
    (text) => {
      expect(parseQuotaRule(text)).toBeUndefined();
    },
  );
});

describe('quotas of 2.4', () => {
  it('are named sections, with additions at mailboxes', () => {
    const { settings } = read(`dovecot_config_version = 2.4.0
mail_driver = maildir
mail_plugins {
  quota = yes
  imap_quota = yes
}
quota "User quota" {
  driver = maildir
  storage_size = 10M
  quota_message_count = 5
}
namespace inbox {
  inbox = yes
  mailbox Trash {
    quota_storage_extra = 1M
  }
}
`);
    expect(settings).toMatchObject({
      imap: true,
      roots: [
        {
          name: 'User quota',
          driver: 'maildir',
          rules: [
            {
              mailbox: '*',
              storage: { value: 10 * 1024 ** 2, kind: 'absolute' },
              messages: { value: 5, kind: 'absolute' },
            },
            { mailbox: 'Trash', storage: { value: 1024 ** 2, kind: 'more' } },
          ],
        },
      ],
    });
  });
});

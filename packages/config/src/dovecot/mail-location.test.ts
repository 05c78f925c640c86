import { describe, expect, it } from 'vitest';
import { expandUserPath, parseMailLocation } from './mail-location.ts';

describe('parseMailLocation', () => {
  it('takes the parts apart', () => {
    expect(parseMailLocation('maildir:~/mail:LAYOUT=fs:INBOX=~/mail/:CONTROL=/c/%u:NO-NOSELECT')).toEqual({
      driver: 'maildir',
      path: '~/mail',
      layout: 'fs',
      inboxPath: '~/mail/',
      indexPath: undefined,
      controlPath: '/c/%u',
      others: new Map([['NO-NOSELECT', '']]),
    });
    expect(parseMailLocation('maildir:~/Maildir').layout).toBe('maildir++');
  });
});

describe('expandUserPath', () => {
  it.each([
    ['~/mail/', '/home/joe/mail/'],
    ['~', '/home/joe'],
    ['/m/~/x', '/m/~/x'],
    ['%h/mail', '/home/joe/mail'],
    ['/var/mail/%d/%n', '/var/mail/Example.org/Joe'],
    ['/x/%u', '/x/Joe@Example.org'],
    ['/x/%Lu', '/x/joe@example.org'],
    ['/x/%{user}', '/x/Joe@Example.org'],
    ['%{home}/%{user | username | lower}', '/home/joe/joe'],
    ['/100%%', '/100%'],
    ['/x/%1u', undefined],
    ['/x/%Mu', undefined],
    ['/x/%{hostname}', undefined],
    ['/x/%{user | md5}', undefined],
    ['/x/%', undefined],
  ])('%s', (template, expected) => {
    expect(expandUserPath(template, { user: 'Joe@Example.org', home: '/home/joe' })).toBe(expected);
  });

  it('takes odd names literally', () => {
    expect(expandUserPath('/x/%u', { user: '$&%h', home: '/h' })).toBe('/x/$&%h');
  });
});

// NOTIFY (RFC 5465).

import { ok } from '../../codec/response.ts';
import { type CommandRow, done } from '../core.ts';
import { Notifying } from '../notifying.ts';

export const NOTIFY: CommandRow<'notify'> = {
  kinds: ['notify'],
  needsMailbox: false,
  sync: 'all',
  refresh: true,
  async run(core, { groups, status }) {
    await core.notifying?.stop();
    core.notifying = undefined;
    if (groups.length === 0) return done(ok('NOTIFY completed.'));
    const notifying = new Notifying(core, groups, () => core.notifyHint());
    if ((await notifying.start(status)) === 'overflow') {
      // RFC 5465 §5.8: nothing is watched then.
      core.out.text('* OK [NOTIFICATIONOVERFLOW] Too many mailboxes to watch.\r\n');
      return done(ok('NOTIFY completed.'));
    }
    core.notifying = notifying;
    return done(ok('NOTIFY completed.'));
  },
};

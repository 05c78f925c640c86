// CAPABILITY, NOOP, LOGOUT, ID, ENABLE, NAMESPACE, IDLE.

import { formatString, no, ok } from '../../codec/response.ts';
import { type CommandRow, done } from '../core.ts';
import { describeClientId, formatServerId } from '../server-id.ts';

const ANYWHERE = { needsMailbox: false, sync: 'none', refresh: false } as const;

export const CAPABILITY: CommandRow<'capability'> = {
  kinds: ['capability'],
  ...ANYWHERE,
  run({ out, capabilities }) {
    out.text(`* CAPABILITY ${capabilities}\r\n`);
    return done(ok('Capability completed.'));
  },
};

export const NOOP: CommandRow<'noop'> = {
  kinds: ['noop'],
  needsMailbox: false,
  sync: 'all',
  refresh: true,
  run: () => done(ok('NOOP completed.')),
};

export const LOGOUT: CommandRow<'logout'> = {
  kinds: ['logout'],
  ...ANYWHERE,
  run({ out }) {
    out.text('* BYE Logging out\r\n');
    return { status: ok('Logout completed.'), next: 'logout' };
  },
};

export const ID: CommandRow<'id'> = {
  kinds: ['id'],
  ...ANYWHERE,
  run(core, { fields }) {
    core.clientId = Object.fromEntries(fields);
    const words = describeClientId(fields, core.settings.idLog);
    if (words !== undefined) core.logInfo(words);
    core.out.text(formatServerId(core.settings.idSend));
    return done(ok('ID completed.'));
  },
};

/** Extensions that ENABLE switches on; unknown ones are passed over (RFC 5161 §3.1). */
const ENABLEABLE: ReadonlySet<string> = new Set(['CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4REV2']);

export const ENABLE: CommandRow<'enable'> = {
  kinds: ['enable'],
  ...ANYWHERE,
  run(core, { names }) {
    const known = names.filter((name) => ENABLEABLE.has(name));
    // DOVECOT: nothing is said where nothing was switched on; what was on already is named again.
    if (known.length > 0)
      core.out.text(
        `* ENABLED ${known.map((name) => (name === 'IMAP4REV2' ? 'IMAP4rev2' : name)).join(' ')}\r\n`,
      );
    for (const name of known) {
      // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE.
      if (name === 'CONDSTORE' || name === 'QRESYNC') core.enableCondstore();
      core.enabled.add(name);
    }
    return done(ok('Enabled.'));
  },
};

/** RFC 4978. */
export const COMPRESS: CommandRow<'compress'> = {
  kinds: ['compress'],
  ...ANYWHERE,
  run(core, { mechanism }) {
    if (mechanism !== 'DEFLATE') return done(no('Unknown compression mechanism.'));
    if (core.compressed) return done(no('COMPRESSION already enabled.', 'COMPRESSIONACTIVE'));
    core.compressed = true;
    return { status: ok('Begin compression.'), next: 'compress' };
  },
};

export const NAMESPACE: CommandRow<'namespace'> = {
  kinds: ['namespace'],
  ...ANYWHERE,
  run({ out, settings, separator }) {
    out.text(`* NAMESPACE ((${formatString(settings.namespace.prefix)} ${separator})) NIL NIL\r\n`);
    return done(ok('Namespace completed.'));
  },
};

/** RFC 2177. The session does the idling; its tagged answer comes with DONE. */
export const IDLE: CommandRow<'idle'> = {
  kinds: ['idle'],
  ...ANYWHERE,
  run: () => ({ status: ok('Idle completed.'), next: 'idle' }),
};

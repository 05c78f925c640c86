// The options of `postcote serve`; `demo` starts the same server with its own values.

import { parseArgs } from 'node:util';
import type { ServerPaths } from '../ipc.ts';
import { CONFIG_OPTIONS } from './options.ts';

export interface ServeOptions {
  readonly kind: 'serve';
  readonly paths: ServerPaths;
  readonly logFile?: string;
  readonly logJson: boolean;
}

export interface OptionsText {
  readonly kind: 'text';
  readonly text: string;
  readonly status: 0 | 1;
}

export const SERVE_HELP = `usage: postcote serve [OPTION...]

Runs the mail server in the foreground on a Postfix and a Dovecot configuration, as they are.

  --postfix-dir DIR    where main.cf and master.cf are        (/etc/postfix)
  --dovecot-conf FILE  dovecot.conf                           (/etc/dovecot/dovecot.conf)
  --data-dir DIR       queue and working state                (/var/lib/postcote)
  --log-file FILE      append the log to FILE                 (standard output)
  --log-json           log JSON objects, one a line
  --users-file FILE    development: accounts from FILE in place of PAM and the system's users

SIGTERM stops after finishing what is under way; SIGHUP reads the configuration again.
`;

export function parseServeOptions(args: readonly string[]): ServeOptions | OptionsText {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        ...CONFIG_OPTIONS,
        'data-dir': { type: 'string', default: '/var/lib/postcote' },
        'log-file': { type: 'string' },
        'log-json': { type: 'boolean', default: false },
        'users-file': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: 'text', status: 1, text: `postcote serve: ${reason}\n\n${SERVE_HELP}` };
  }
  if (values.help) return { kind: 'text', status: 0, text: SERVE_HELP };
  const usersFile = values['users-file'];
  const logFile = values['log-file'];
  return {
    kind: 'serve',
    paths: {
      postfixDirectory: values['postfix-dir'],
      dovecotConf: values['dovecot-conf'],
      dataDirectory: values['data-dir'],
      ...(usersFile === undefined ? {} : { usersFile }),
    },
    ...(logFile === undefined ? {} : { logFile }),
    logJson: values['log-json'],
  };
}

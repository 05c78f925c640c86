// The authenticator: the one process that sees passwords and may ask PAM. It reads one bounded request a
// connection, and passes granted connections to the supervisor, which hands them to the user's worker.

import { createServer, type Socket } from 'node:net';
import {
  DEFAULT_USER_NAME_RULES,
  Throttle,
  DEFAULT_THROTTLE_LIMITS,
  type Authenticator,
  type MailPolicy,
  type UserDirectory,
  type UserNameRules,
  mayHaveMail,
  parseUserNameFormat,
} from '@postcote/auth';
import { PamAuthenticator, PasswdDirectory, UsersFile, serveAuthenticator } from '@postcote/auth/edge';
import type { AuthSettings, AuthenticatorToSupervisor, SupervisorToAuthenticator } from '../ipc.ts';
import { openLog } from '../log/open-log.ts';
import { trimAfterStart } from '../trim-memory.ts';

/** sysexits(3). */
const EX_TEMPFAIL = 75;
const EX_CONFIG = 78;

const opened = openLog();
const { log } = opened;

function end(status: number): never {
  opened.flush();
  process.exit(status);
}

function crash(error: unknown): void {
  log('fatal', 'postcote', `authenticator: ${error instanceof Error ? error.stack : String(error)}`);
  end(70);
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.on('disconnect', () => end(0));
process.on('SIGTERM', () => end(0));
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
// Passwords stay out of core files and out of other processes' sight.
process.title = 'postcote: authenticator';

process.on('message', (message: SupervisorToAuthenticator) => {
  if (message.type === 'shutDown') return end(0);
  try {
    if (message.type === 'start') start(message);
    else rules = rulesOf(message.auth);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.send?.({ type: 'failed', message: text } satisfies AuthenticatorToSupervisor, () =>
      end(EX_CONFIG),
    );
  }
});

/** What a reload changes. */
let rules: { readonly format: UserNameRules['format']; readonly policy: MailPolicy };

function rulesOf({ usernameFormat, policy }: AuthSettings): typeof rules {
  const format = parseUserNameFormat(usernameFormat);
  if (format === undefined) throw new Error(`auth_username_format is not understood: ${usernameFormat}`);
  return { format, policy };
}

function start(options: Extract<SupervisorToAuthenticator, { type: 'start' }>): void {
  const { usersFile } = options.paths;
  let authenticator: Authenticator;
  let directory: UserDirectory;
  if (usersFile === undefined) {
    const { pamService } = options.auth;
    authenticator = new PamAuthenticator({
      ...(pamService === undefined ? {} : { service: pamService }),
      onExhausted: () => {
        log('error', 'postcote', 'authenticator: PAM hangs on every thread; starting anew');
        end(EX_TEMPFAIL);
      },
    });
    directory = new PasswdDirectory();
  } else {
    const file = new UsersFile({ path: usersFile, loopbackOnly: options.loopbackOnly });
    authenticator = file;
    directory = file;
  }
  rules = rulesOf(options.auth);
  const server = createServer({ pauseOnConnect: true });
  serveAuthenticator({
    server,
    authenticator,
    directory,
    log,
    throttle: new Throttle(() => performance.now(), {
      ...DEFAULT_THROTTLE_LIMITS,
      failureDelayMs: options.auth.failureDelay,
    }),
    userNames: {
      ...DEFAULT_USER_NAME_RULES,
      get format() {
        return rules.format;
      },
    },
    policy: (user) => mayHaveMail(user, rules.policy),
    grant: (grant, socket) => {
      const { user, uid, gid, home, request, handOff } = grant;
      return passOn({ type: 'grant', account: { name: user, uid, gid, home }, request, handOff }, socket);
    },
  });
  trimAfterStart();
  server.listen({ fd: options.listenerFd }, () => {
    process.send?.({ type: 'ready' } satisfies AuthenticatorToSupervisor);
  });
}

/** Gives the connection to the supervisor; rejects while it is still ours. */
function passOn(message: AuthenticatorToSupervisor, socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, socket, { keepOpen: false }, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    );
  });
}

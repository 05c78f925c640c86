// Which PAM service to use. The name is fixed at start and never comes from a client. A service without a file
// would make libpam fall back to `other`, which on some machines lets everybody in: such a name is refused.

import { statSync } from 'node:fs';

/**
 * The order in which services are looked for.
 * DOVECOT: its service is `dovecot`. A machine from which that package was purged may have a file of our own
 * name, one of another mail program, and in any case `login`, whose rules are those of the console.
 */
export const PAM_SERVICES: readonly string[] = ['dovecot', 'postcote', 'imap', 'smtp', 'login'];

/** Where libpam looks, in its order. */
export const PAM_DIRECTORIES: readonly string[] = ['/etc/pam.d', '/usr/lib/pam.d'];

const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Whether a service has a file of its own that libpam would read. */
export function hasPamService(service: string, directories = PAM_DIRECTORIES): boolean {
  // libpam folds the name to lower case before it opens the file.
  if (!SERVICE_NAME.test(service) || service.toLowerCase() === 'other') return false;
  return directories.some((directory) => {
    try {
      return statSync(`${directory}/${service.toLowerCase()}`).isFile();
    } catch {
      return false;
    }
  });
}

/** The first of `services` that exists, or undefined. */
export function findPamService(
  services: readonly string[] = PAM_SERVICES,
  directories = PAM_DIRECTORIES,
): string | undefined {
  return services.find((service) => hasPamService(service, directories));
}

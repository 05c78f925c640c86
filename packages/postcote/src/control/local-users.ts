// Names of uids, for authorized_submit_users and its like. POSTFIX: a uid without a name is `unknown`.

import { readFileSync } from 'node:fs';

const GETENT = '/usr/bin/getent';
const GETENT_LIMIT = 5_000;
const UNKNOWN = 'unknown';

export async function userNameOf(uid: number): Promise<string> {
  const line = findLine(readPasswd(), uid) ?? (await askOthers(uid));
  return line?.split(':')[0] ?? UNKNOWN;
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}

export function findLine(passwd: string, uid: number): string | undefined {
  return passwd.split('\n').find((line) => line.split(':')[2] === String(uid));
}

/** Accounts of a directory service. */
export async function askOthers(uid: number): Promise<string | undefined> {
  // Hardly ever needed: /etc/passwd has most.
  const { execFile } = await import('node:child_process');
  return await new Promise((resolve) => {
    execFile(GETENT, ['passwd', String(uid)], { timeout: GETENT_LIMIT }, (error, output) => {
      resolve(error === null ? findLine(output, uid) : undefined);
    });
  });
}

// main.cf for the commands that need more of it than a glance.

import { join } from 'node:path';
import { PostfixSettings, parseMainCf } from '@postcote/config';
import { loadConfiguration, makeSystem, type LoadedConfiguration } from '@postcote/config/edge';
import { silentLog } from '@postcote/wire';
import { Fatal } from './context.ts';

/** `overrides`: further lines, which count more than those of the file. */
export function readSettings(configDirectory: string, overrides: readonly string[] = []): PostfixSettings {
  const file = join(configDirectory, 'main.cf');
  const system = makeSystem();
  const read = system.readFile(file);
  if (read.kind !== 'text')
    throw new Fatal(`open ${file}: ${read.kind === 'missing' ? 'No such file or directory' : read.reason}`);
  const text = overrides.length === 0 ? read.text : `${read.text}\n${overrides.join('\n')}\n`;
  return new PostfixSettings({ main: parseMainCf(file, text), system });
}

/** As on a machine whose main.cf is empty. */
export function defaultSettings(configDirectory: string): PostfixSettings {
  return new PostfixSettings({
    main: parseMainCf(join(configDirectory, 'main.cf'), ''),
    system: makeSystem(),
  });
}

/** With its tables; what else is wrong with the files is nobody's business here. */
export function load(configDirectory: string): LoadedConfiguration {
  return loadConfiguration({
    postfixDirectory: configDirectory,
    dovecotConf: '/nonexistent',
    supportedRestrictions: new Set(),
    log: silentLog,
  });
}

export async function isAuthorized(
  configDirectory: string,
  parameter: string,
  name: string,
): Promise<boolean> {
  const { postfix, tables } = load(configDirectory);
  return await tables.matchList(postfix, parameter).matches({ name });
}

/** Where the first SMTP listener of master.cf is reached from this machine. */
export function smtpPlace(configDirectory: string): { readonly host: string; readonly port: number } {
  const { listeners } = load(configDirectory);
  const plain = listeners.filter(({ implicitTls }) => !implicitTls);
  const listener = plain.find(({ port }) => port === 25) ?? plain[0];
  if (listener === undefined) return { host: '127.0.0.1', port: 25 };
  const { address, port } = listener;
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  return { host, port };
}

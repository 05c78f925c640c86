// Settings that no program knows and no other setting refers to: a slip of the pen, as a rule. POSTFIX: postconf warns
// of them and leaves them out of what it lists.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PostfixSettings, findParameter, parseMasterCf } from '@postcote/config';

export interface UnusedParameter {
  readonly file: 'main.cf' | 'master.cf';
  readonly name: string;
  readonly value: string;
}

const REFERENCE = /\$[({]?([A-Za-z0-9_]+)/g;

export function findUnused(settings: PostfixSettings, config: string): UnusedParameter[] {
  const master = readMaster(join(config, 'master.cf'));
  const services = parseMasterCf(join(config, 'master.cf'), master).services;
  const used = new Set<string>();
  const note = (text: string): void => {
    for (const [, name = ''] of text.matchAll(REFERENCE)) used.add(name);
  };
  const defined = [...settings.main.definitions.keys()];
  for (const name of defined) note(settings.raw(name) ?? '');
  note(master);
  for (const name of settings.list('smtpd_restriction_classes')) used.add(name);
  const isUnused = (name: string): boolean => findParameter(name) === undefined && !used.has(name);
  return [
    ...defined
      .filter(isUnused)
      .map((name) => ({ file: 'main.cf' as const, name, value: settings.raw(name) ?? '' })),
    ...services.flatMap(({ overrides }) =>
      [...overrides]
        .filter(([name]) => isUnused(name))
        .map(([name, { value }]) => ({ file: 'master.cf' as const, name, value })),
    ),
  ];
}

function readMaster(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

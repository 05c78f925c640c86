// The files of one installation → settings, listeners and everything that is wrong with them. Reads through the
// `System` port only; the edge supplies the machine and the table files.

import { checkDovecot } from './dovecot/report.ts';
import type { DovecotSettings } from './dovecot/dovecot-settings.ts';
import { readDovecot } from './dovecot/read-dovecot.ts';
import { refuse, type Problem } from './origin.ts';
import { planListeners, type SmtpListener } from './postfix/listeners.ts';
import { emptyMainCf, parseMainCf, type MainCf } from './postfix/main-cf.ts';
import { parseMasterCf, type MasterCf } from './postfix/master-cf.ts';
import { PostfixSettings } from './postfix/postfix-settings.ts';
import { checkPostfix, type PostfixReportOptions } from './postfix/report.ts';
import type { System } from './system.ts';
import type { TablePorts } from './tables/open-table.ts';
import { TableRegistry } from './tables/table-registry.ts';

export interface LoadRequest extends PostfixReportOptions {
  /** The folder of main.cf and master.cf. */
  readonly postfixDirectory: string;
  /** The path of dovecot.conf. */
  readonly dovecotConf: string;
  readonly system: System;
  readonly tables: TablePorts;
}

export interface Configuration {
  /** main.cf alone, for whatever belongs to no listener. */
  readonly postfix: PostfixSettings;
  /** Undefined when there is none. */
  readonly master: MasterCf | undefined;
  readonly listeners: readonly SmtpListener[];
  readonly tables: TableRegistry;
  readonly dovecot: DovecotSettings;
  /** The server must not start while one of severity `refuse` is among them. */
  readonly problems: readonly Problem[];
}

export function readConfiguration(request: LoadRequest): Configuration {
  const { system } = request;
  const problems: Problem[] = [];
  const mainPath = `${request.postfixDirectory}/main.cf`;
  const main = readMain(mainPath, system, problems);
  const master = readMaster(`${request.postfixDirectory}/master.cf`, system, problems);
  const postfix = new PostfixSettings({ main: main ?? emptyMainCf(mainPath), system });
  const plan = planListeners(postfix, master, system);
  const tables = new TableRegistry(request.tables, system, postfix);
  problems.push(...(master?.problems ?? []), ...plan.problems);
  // Without a main.cf there is one thing to say, and it has been said.
  if (main !== undefined) problems.push(...checkPostfix(postfix, plan.listeners, tables, request));
  const dovecot = readDovecot(request.dovecotConf, system);
  problems.push(...checkDovecot(dovecot));
  return { postfix, master, listeners: plan.listeners, tables, dovecot, problems };
}

export function mustNotStart(problems: readonly Problem[]): boolean {
  return problems.some(({ severity }) => severity === 'refuse');
}

function readMain(path: string, system: System, problems: Problem[]): MainCf | undefined {
  const read = system.readFile(path);
  if (read.kind === 'text') return parseMainCf(path, read.text);
  const message =
    read.kind === 'missing'
      ? 'there is no main.cf here; "postcote init" writes one, or name its folder with --postfix-dir'
      : `it cannot be read: ${read.reason}`;
  problems.push(refuse({ file: path, line: 0 }, { name: '', message }));
  return undefined;
}

function readMaster(path: string, system: System, problems: Problem[]): MasterCf | undefined {
  const read = system.readFile(path);
  if (read.kind === 'text') return parseMasterCf(path, read.text);
  if (read.kind === 'unreadable') {
    problems.push(
      refuse({ file: path, line: 0 }, { name: '', message: `it cannot be read: ${read.reason}` }),
    );
  }
  return undefined;
}

// One call that reads an installation's files and says what is wrong with them.

import type { Log } from '@postcote/wire';
import { readConfiguration, type Configuration } from '../load.ts';
import { honouredParameters } from '../postfix/honoured-parameters.ts';
import type { System } from '../system.ts';
import type { MaybePromise } from '../tables/lookup-table.ts';
import type { TablePorts } from '../tables/open-table.ts';
import { parseAccountsText } from './accounts.ts';
import { makeSystem } from './system.ts';
import { TableFiles } from './table-files.ts';

export interface LoadOptions {
  readonly postfixDirectory: string;
  readonly dovecotConf: string;
  /** Restriction words the server can carry out; any other keeps it from starting. */
  readonly supportedRestrictions: ReadonlySet<string>;
  /** Names that have an effect, when they differ from `honouredParameters`. */
  readonly honoured?: ReadonlySet<string>;
  readonly log: Log;
  readonly system?: System;
  /** Text of tables that this process may not read itself, by path. */
  readonly given?: ReadonlyMap<string, string>;
  /** Lines of passwd(5) and group(5) for `unix:…` tables; the local files when left out. */
  readonly account?: (database: 'passwd' | 'group', name: string) => MaybePromise<string | undefined>;
}

export interface LoadedConfiguration extends Configuration {
  /** Call `start()` to follow edits of the tables, `stop()` when this configuration is replaced. */
  readonly tableFiles: TableFiles;
}

export function loadConfiguration(options: LoadOptions): LoadedConfiguration {
  const tableFiles = new TableFiles({
    log: options.log,
    ...(options.given === undefined ? {} : { given: options.given }),
  });
  const tables: TablePorts = {
    openFile: (path, format, parse) => tableFiles.open(path, format, parse),
    account: options.account ?? ((database, name) => localAccount(tableFiles, database, name)),
    environment: (name) => process.env[name],
  };
  const configuration = readConfiguration({
    postfixDirectory: options.postfixDirectory,
    dovecotConf: options.dovecotConf,
    supportedRestrictions: options.supportedRestrictions,
    honoured: options.honoured ?? honouredParameters,
    system: options.system ?? makeSystem(),
    tables,
  });
  return { ...configuration, tableFiles };
}

function localAccount(files: TableFiles, database: 'passwd' | 'group', name: string): string | undefined {
  const read = files.open(`/etc/${database}`, 'accounts', parseAccountsText);
  return read.kind === 'open' ? read.file.current().get(name) : undefined;
}

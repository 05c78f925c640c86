// The package's edge: the machine's files, host name and interfaces, and tables that follow their files.

export { makeSystem } from './system.ts';
export { TableFiles, type TableFilesOptions } from './table-files.ts';
export { loadConfiguration, type LoadedConfiguration, type LoadOptions } from './load-configuration.ts';
export { writeGuideFiles, type WriteOutcome } from './write-guide-files.ts';

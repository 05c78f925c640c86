// The IMAP codec: pure, and usable without the rest of this package (see ../../README.md).

export * from './arg.ts';
export { ArgScanner, type LiteralStart, type ScanResult } from './arg-scanner.ts';
export * from './command.ts';
export * from './command-reader.ts';
export * from './dates.ts';
export * from './fetch-item.ts';
export * from './flags.ts';
export * from './limits.ts';
export { parseCommand } from './parse-command.ts';
export { type AppendStretch, parseAppendStretch } from './parse/append.ts';
export * from './imap-url.ts';
export { normalMailboxName } from './parse/mailbox-name.ts';
export * from './notify.ts';
export * from './response.ts';
export * from './search-key.ts';
export * from './sequence-set.ts';
export * from './structure-format.ts';
export * from './utf7.ts';

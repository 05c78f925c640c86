// Public entry of the package.
export * from './ports.ts';
export {
  DEFAULT_LOGIN_SETTINGS,
  type PopLoginOptions,
  PopLoginSession,
  type PopLoginSettings,
} from './login-session.ts';
export { type PopUserOptions, PopUserSession, type PopUserSettings } from './user-session.ts';
export { POP_WORKAROUNDS, type PopWorkaround } from './client-workarounds.ts';
export {
  DEFAULT_UIDL_FORMAT,
  type ParsedUidlFormat,
  parseUidlFormat,
  type UidlFormat,
  type UidlValues,
} from './uidl-format.ts';
export { MAX_COMMAND_LINE, parseCommand, type PopCommand } from './command.ts';

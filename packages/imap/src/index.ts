// IMAP4rev1: the codec, and the sessions before and after login. See ../README.md.

export * from './codec/index.ts';
export * from './ports.ts';
export { CAPABILITIES, loginCapabilities } from './capabilities.ts';
export {
  DEFAULT_LOGIN_SETTINGS,
  type ImapLoginOptions,
  ImapLoginSession,
  type ImapLoginSettings,
} from './session/login-session.ts';
export { type ImapUserOptions, ImapUserSession } from './session/user-session.ts';
export { type Namespaces, shownName } from './session/namespace.ts';
export { DEFAULT_USER_SETTINGS, type ImapUserSettings } from './session/core.ts';
export type { ImapSessionState } from './session/state.ts';

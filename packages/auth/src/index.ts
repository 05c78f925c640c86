// Public entry of the package: SASL exchanges, accounts and their policy, the throttle. Pure; what touches
// sockets, files, processes or the clock is under `./edge`.

export { formatBase64, parseBase64 } from './base64.ts';
export { MAX_PASSWORD, MAX_RESPONSE, MAX_USER, MECHANISMS, type SaslStep, startSasl } from './sasl.ts';
export {
  DEFAULT_MAIL_POLICY,
  isAskableName,
  type MailPolicy,
  mayHaveMail,
  parseNsswitchPasswd,
  parsePasswd,
  parsePasswdLine,
  type PolicyVerdict,
  type UserDirectory,
  UserDirectoryError,
  type UserRecord,
} from './user-directory.ts';
export {
  applyUserNameRules,
  DEFAULT_USER_NAME_CHARS,
  DEFAULT_USER_NAME_RULES,
  formatUserForLog,
  parseUserNameFormat,
  type UserNameFormat,
  type UserNameResult,
  type UserNameRules,
} from './user-name.ts';
export {
  type Attempt,
  type AttemptKey,
  DEFAULT_THROTTLE_LIMITS,
  Throttle,
  type ThrottleDecision,
  type ThrottleLimits,
} from './throttle.ts';
export type { Authenticator, PasswordCheck, PasswordQuestion } from './authenticator.ts';
export { type AuthQuestion, parseAuthQuestion } from './login-request.ts';

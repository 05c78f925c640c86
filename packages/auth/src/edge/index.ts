// What the package does with sockets, files and processes.

export { askLogin, askLoginAndHandOff, type AskOptions, type HandedOver } from './auth-client.ts';
export {
  type AuthenticatorServerOptions,
  formatGranted,
  type Grant,
  type RunningAuthenticator,
  serveAuthenticator,
} from './authenticator-process.ts';
export { PamAuthenticator, type PamAuthenticatorOptions, PamServiceError } from './pam-authenticator.ts';
export { loadPamBinding, type PamBinding, PamBindingError, type PamOptions } from './pam-binding.ts';
export { findPamService, hasPamService, PAM_DIRECTORIES, PAM_SERVICES } from './pam-service.ts';
export { PasswdDirectory, type PasswdDirectoryOptions } from './passwd-directory.ts';
export { hashPassword, parseStoredPassword, type StoredPassword, verifyPassword } from './password-hash.ts';
export {
  parseUsersFile,
  UsersFile,
  type UsersFileContent,
  type UsersFileEntry,
  UsersFileError,
  type UsersFileOptions,
} from './users-file.ts';

// Where commands and server meet, below the data folder.

/** Root's: everything may be asked there. */
export const ADMIN_SOCKET = 'run/control.sock';
/** Everybody's. */
export const PUBLIC_SOCKET = 'run/public.sock';
/** Root's, straight to the supervisor: about a user's index. */
export const INDEX_SOCKET = 'run/index.sock';
export const MAILDROP = 'maildrop';
/** The supervisor's process id, for signals. */
export const PID_FILE = 'run/postcote.pid';

export const DEFAULT_DATA_DIRECTORY = '/var/lib/postcote';

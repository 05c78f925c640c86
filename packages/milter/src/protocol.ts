// The numbers and letters of the milter protocol, as sendmail's libmilter has them (mfdef.h), versions 2 to 6. A frame is
// four octets of length (big endian), one of command or response, and its data.

/** From us to the filter. */
export const COMMAND = {
  abort: 'A',
  body: 'B',
  connect: 'C',
  macro: 'D',
  endOfBody: 'E',
  helo: 'H',
  quitNewConnection: 'K',
  header: 'L',
  mail: 'M',
  endOfHeader: 'N',
  negotiate: 'O',
  quit: 'Q',
  rcpt: 'R',
  data: 'T',
  unknown: 'U',
} as const;

export type CommandLetter = (typeof COMMAND)[keyof typeof COMMAND];

/** Names for the log. */
export const COMMAND_NAMES: ReadonlyMap<string, string> = new Map([
  ['A', 'SMFIC_ABORT'],
  ['B', 'SMFIC_BODY'],
  ['C', 'SMFIC_CONNECT'],
  ['D', 'SMFIC_MACRO'],
  ['E', 'SMFIC_BODYEOB'],
  ['H', 'SMFIC_HELO'],
  ['K', 'SMFIC_QUIT_NC'],
  ['L', 'SMFIC_HEADER'],
  ['M', 'SMFIC_MAIL'],
  ['N', 'SMFIC_EOH'],
  ['O', 'SMFIC_OPTNEG'],
  ['Q', 'SMFIC_QUIT'],
  ['R', 'SMFIC_RCPT'],
  ['T', 'SMFIC_DATA'],
  ['U', 'SMFIC_UNKNOWN'],
]);

/** From the filter to us. */
export const RESPONSE_NAMES: ReadonlyMap<string, string> = new Map([
  ['+', 'SMFIR_ADDRCPT'],
  ['-', 'SMFIR_DELRCPT'],
  ['2', 'SMFIR_ADDRCPT_PAR'],
  ['4', 'SMFIR_SHUTDOWN'],
  ['a', 'SMFIR_ACCEPT'],
  ['b', 'SMFIR_REPLBODY'],
  ['c', 'SMFIR_CONTINUE'],
  ['d', 'SMFIR_DISCARD'],
  ['e', 'SMFIR_CHGFROM'],
  ['f', 'SMFIR_CONN_FAIL'],
  ['h', 'SMFIR_ADDHEADER'],
  ['i', 'SMFIR_INSHEADER'],
  ['l', 'SMFIR_SETSYMLIST'],
  ['m', 'SMFIR_CHGHEADER'],
  ['p', 'SMFIR_PROGRESS'],
  ['q', 'SMFIR_QUARANTINE'],
  ['r', 'SMFIR_REJECT'],
  ['s', 'SMFIR_SKIP'],
  ['t', 'SMFIR_TEMPFAIL'],
  ['y', 'SMFIR_REPLYCODE'],
]);

/** SMFIP_…: what the filter does not want to hear of, or will not answer. */
export const STEP = {
  noConnect: 1 << 0,
  noHelo: 1 << 1,
  noMail: 1 << 2,
  noRcpt: 1 << 3,
  noBody: 1 << 4,
  noHeaders: 1 << 5,
  noEndOfHeader: 1 << 6,
  silentHeader: 1 << 7,
  noUnknown: 1 << 8,
  noData: 1 << 9,
  skip: 1 << 10,
  rejectedRecipients: 1 << 11,
  silentConnect: 1 << 12,
  silentHelo: 1 << 13,
  silentMail: 1 << 14,
  silentRcpt: 1 << 15,
  silentData: 1 << 16,
  silentUnknown: 1 << 17,
  silentEndOfHeader: 1 << 18,
  silentBody: 1 << 19,
  leadingSpace: 1 << 20,
} as const;

/** Steps that can be left out. */
export const OMITTABLE =
  STEP.noConnect |
  STEP.noHelo |
  STEP.noMail |
  STEP.noRcpt |
  STEP.noBody |
  STEP.noHeaders |
  STEP.noEndOfHeader |
  STEP.noUnknown |
  STEP.noData;

const STEPS_2 =
  STEP.noConnect |
  STEP.noHelo |
  STEP.noMail |
  STEP.noRcpt |
  STEP.noBody |
  STEP.noHeaders |
  STEP.noEndOfHeader;
const STEPS_3 = STEPS_2 | STEP.noUnknown;
const STEPS_4 = STEPS_3 | STEP.noData;
const STEPS_6 =
  STEPS_4 |
  STEP.skip |
  STEP.rejectedRecipients |
  STEP.silentHeader |
  STEP.silentConnect |
  STEP.silentHelo |
  STEP.silentMail |
  STEP.silentRcpt |
  STEP.silentData |
  STEP.silentUnknown |
  STEP.silentEndOfHeader |
  STEP.silentBody |
  STEP.leadingSpace;

/** What each version knows, the newest first. */
export const VERSION_STEPS: readonly (readonly [version: number, steps: number])[] = [
  [6, STEPS_6],
  [4, STEPS_4],
  [3, STEPS_3],
  [2, STEPS_2],
];

/** SMFIF_…: changes that a filter may ask for. All of them can be made. */
export const ACTIONS = 0x1ff;

/** SMFIM_…: events whose macros a filter may choose, by number. */
export const MACRO_STAGES = [
  'connect',
  'helo',
  'mail',
  'rcpt',
  'data',
  'endOfMessage',
  'endOfHeader',
] as const;

/** Octets of a body chunk: libmilter's MILTER_CHUNK_SIZE. */
export const CHUNK = 65_535;

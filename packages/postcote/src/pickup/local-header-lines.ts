// What counts as a line of a header. Apart from the rest, for `sendmail`, which starts often.

// RFC 5322 §3.6.8: ftext; §4.5: blanks before the colon.
export const FIELD_NAME = /^([!-9;-~]+)[ \t]*:/;

/** Whether the line may stand in a header; `first`: nothing stands before it. */
export function isHeaderLine(line: string, first: boolean): boolean {
  return FIELD_NAME.test(line) || (!first && /^[ \t]/.test(line));
}

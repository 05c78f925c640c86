// The message as filters see it and change it. `EditableMessage` (edits.ts) is one.

import type { Edit } from './response.ts';

export interface HeaderField {
  readonly name: Buffer;
  /** What stands after the colon, folded lines separated by LF as in the milter protocol. */
  readonly value: Buffer;
}

export interface Inspected {
  /** Without our own `Received:`, which filters never see. */
  readonly fields: readonly HeaderField[];
  /** CRLF lines. Throws when the octets cannot be read. */
  body(): AsyncIterable<Buffer>;
  /** The reply that ends the message when a change cannot be made; changes after it are not tried. */
  apply(
    edit: Edit,
    options: { readonly leadingSpace: boolean },
  ): Promise<string | undefined> | string | undefined;
}

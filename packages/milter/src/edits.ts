// The message while filters look at it: its header in memory, its body where the composition root keeps it, its
// envelope. Carries out what they ask for, within limits.

import { DotReader } from '@postcote/wire';
import type { HeaderField, Inspected } from './content.ts';
import { type EditableEnvelope, addRecipient, changeSender, removeRecipient } from './envelope-edits.ts';
import { HeaderBlock, formatField, isFieldName } from './header-block.ts';
import type { Edit } from './response.ts';

/** Octets of a body: in memory, in a file. Whoever opened one drops it. */
export interface BodyStore {
  readonly size: number;
  /** A promise asks to wait. What goes wrong shows in `read`. */
  write(octets: Buffer): Promise<void> | undefined;
  /** From the first octet on; throws when they cannot be had. */
  read(): AsyncIterable<Buffer>;
  drop(): void;
}

/** What `milter_header_checks` says of a field that a filter makes. */
export type HeaderVerdict =
  | { readonly kind: 'keep' }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'replace'; readonly text: string }
  /** The reply that ends the message. */
  | { readonly kind: 'refuse'; readonly reply: string };

export interface EditableMessageOptions {
  /** CRLF lines without the empty one that ends it. */
  readonly header: Buffer;
  /** Whether an empty line followed the header: a message may be all header. */
  readonly hasBody: boolean;
  readonly body: BodyStore;
  openBody(): BodyStore;
  /** Changed in place. */
  readonly envelope: EditableEnvelope;
  /** Octets of a message; 0: no limit. */
  readonly messageSizeLimit: number;
  /** Octets of one field; more is cut. */
  readonly headerSizeLimit: number;
  /** `milter_header_checks`; the line's octets as characters. */
  readonly checkHeader?: (line: string) => Promise<HeaderVerdict>;
  warn(text: string): void;
}

/** Octets of a whole header. */
export const MAX_HEADER = 4 * 1024 * 1024;
const TOO_BIG = '552 5.3.4 Message file too big';
const CRLF = Buffer.from('\r\n');

export class EditableMessage implements Inspected {
  readonly #options: EditableMessageOptions;
  readonly #header: HeaderBlock;
  #body: BodyStore;
  #hasBody: boolean;
  /** Of a body that is being replaced. */
  #reader: DotReader | undefined;

  constructor(options: EditableMessageOptions) {
    this.#options = options;
    this.#header = new HeaderBlock(options.header);
    this.#body = options.body;
    this.#hasBody = options.hasBody;
  }

  get fields(): readonly HeaderField[] {
    return this.#header.visible;
  }

  body(): AsyncIterable<Buffer> {
    this.#endBody();
    return this.#body.read();
  }

  /** The message as the filters left it. */
  async *octets(): AsyncGenerator<Buffer> {
    yield* this.#header.octets();
    if (!this.#hasBody) return;
    yield CRLF;
    yield* this.body();
  }

  drop(): void {
    this.#body.drop();
  }

  apply(
    edit: Edit,
    { leadingSpace }: { readonly leadingSpace: boolean },
  ): Promise<string | undefined> | string | undefined {
    const { envelope, warn } = this.#options;
    switch (edit.kind) {
      case 'addHeader':
      case 'insertHeader':
      case 'changeHeader':
        return this.#changeHeader(edit, leadingSpace);
      case 'changeSender':
        return changeSender(envelope, textsOf(edit), warn) as undefined;
      case 'addRecipient':
        return addRecipient(envelope, textsOf(edit), warn) as undefined;
      case 'removeRecipient':
        return removeRecipient(envelope, edit.address.toString('utf8')) as undefined;
      case 'replaceBody':
        return this.#replaceBody(edit.octets);
    }
  }

  async #changeHeader(
    edit: Extract<Edit, { readonly kind: 'addHeader' | 'insertHeader' | 'changeHeader' }>,
    leadingSpace: boolean,
  ): Promise<string | undefined> {
    const { name } = edit;
    if (!isFieldName(name)) {
      this.#options.warn(`ignoring bad header name "${name.toString('latin1').slice(0, 100)}" from Milter`);
      return undefined;
    }
    if (edit.kind === 'changeHeader' && edit.value.length === 0) {
      this.#header.remove(edit.index, name);
      return undefined;
    }
    const limit = this.#options.headerSizeLimit;
    const value = Buffer.concat([
      leadingSpace ? Buffer.alloc(0) : Buffer.from(' '),
      edit.value.subarray(0, limit),
    ]);
    const field = await this.#checked({ name, value });
    if (field === undefined || typeof field === 'string') return field;
    if (this.#header.size + formatField(field).length > MAX_HEADER) return TOO_BIG;
    if (edit.kind === 'addHeader') this.#header.add(field);
    else if (edit.kind === 'insertHeader') this.#header.insert(edit.index, field);
    else this.#header.change(edit.index, field);
    return undefined;
  }

  async #checked(field: HeaderField): Promise<HeaderField | string | undefined> {
    const { checkHeader, warn } = this.#options;
    if (checkHeader === undefined) return field;
    const verdict = await checkHeader(
      Buffer.concat([field.name, Buffer.from(':'), field.value]).toString('latin1'),
    );
    switch (verdict.kind) {
      case 'keep':
        return field;
      case 'ignore':
        return undefined;
      case 'refuse':
        return verdict.reply;
      case 'replace': {
        const colon = verdict.text.indexOf(':');
        const name = Buffer.from(verdict.text.slice(0, Math.max(0, colon)).trim());
        if (isFieldName(name)) return { name, value: Buffer.from(verdict.text.slice(colon + 1), 'latin1') };
        warn(`ignoring bad header "${verdict.text.slice(0, 100)}" of milter_header_checks`);
        return field;
      }
    }
  }

  async #replaceBody(octets: Buffer): Promise<string | undefined> {
    if (this.#reader === undefined) {
      this.#body.drop();
      this.#body = this.#options.openBody();
      this.#hasBody = true;
      // The same cleaning that a client's octets get: whole lines, no stray CR, no NUL.
      this.#reader = new DotReader({ dotStuffed: false });
    }
    let waiting: Promise<void> | undefined;
    this.#reader.push(octets, (piece) => {
      waiting = this.#body.write(piece) ?? waiting;
    });
    await waiting;
    const { messageSizeLimit } = this.#options;
    return messageSizeLimit > 0 && this.#body.size > messageSizeLimit ? TOO_BIG : undefined;
  }

  #endBody(): void {
    this.#reader?.finish((piece) => {
      void this.#body.write(piece);
    });
    this.#reader = undefined;
  }
}

const textsOf = (edit: { readonly address: Buffer; readonly parameters: Buffer }) => ({
  address: edit.address.toString('utf8'),
  parameters: edit.parameters.toString('utf8'),
});

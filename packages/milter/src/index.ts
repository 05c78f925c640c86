export type { MilterChannel, OpenChannel, Received } from './channel.ts';
export type { HeaderField, Inspected } from './content.ts';
export {
  type BodyStore,
  EditableMessage,
  type EditableMessageOptions,
  type HeaderVerdict,
  MAX_HEADER,
} from './edits.ts';
export type { EditableEnvelope, EditableRecipient } from './envelope-edits.ts';
export { formatEnvelopeAddress, parseEnvelopeAddress } from './envelope-address.ts';
export { DEFAULT_MACROS, type MacroLookup, type MacroSettings, parseMacroDefaults } from './macros.ts';
export type { ConnectFacts } from './milter.ts';
export { Milters, type MiltersOptions } from './milters.ts';
export { parseMacroNames, parseProtocol } from './negotiation.ts';
export { type MilterService, parseEndpoint } from './service.ts';
export { DISCARD_TEXT, HOLD_TEXT, type Verdict, softened } from './verdict.ts';

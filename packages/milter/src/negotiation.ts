// The first exchange with a filter: which version, which steps, which changes (SMFIC_OPTNEG).

import { type Frame, formatFrame, formatLong } from './frames.ts';
import { ACTIONS, COMMAND, MACRO_STAGES, OMITTABLE, STEP, VERSION_STEPS } from './protocol.ts';

export type MacroStage = (typeof MACRO_STAGES)[number];

/** What `milter_protocol` says: a version, and `no_header_reply` beside it. */
export interface ProtocolOffer {
  readonly version: number;
  readonly steps: number;
}

export interface Negotiated {
  /** SMFIP_… as the filter wants it. */
  readonly steps: number;
  /** Steps that its version or ours does not know. */
  readonly unknownSteps: number;
  /** Macros that it chose itself, by event. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>;
  /** For the log; nothing is wrong. */
  readonly warnings: readonly string[];
}

/** Reads `6`, `2, no_header_reply`; the answer is what is wrong in Postfix's words, or the offer. */
export function parseProtocol(text: string): ProtocolOffer | string {
  let version = 0;
  let steps = 0;
  for (const word of text.split(/[\s,]+/)) {
    if (word === '') continue;
    const known = VERSION_STEPS.find(([number]) => String(number) === word);
    if (word === 'no_header_reply') steps |= STEP.silentHeader;
    else if (known === undefined || version !== 0) return `bad protocol information: ${word}`;
    else {
      version = known[0];
      steps |= known[1];
    }
  }
  return version === 0 ? 'no protocol version information' : { version, steps };
}

export function formatOffer({ version, steps }: ProtocolOffer): Buffer {
  return formatFrame(COMMAND.negotiate, formatLong(version), formatLong(ACTIONS), formatLong(steps));
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** The filter's answer, or what is wrong with it. */
export function readAnswer({ letter, data }: Frame, offer: ProtocolOffer): Negotiated | string {
  if (letter !== COMMAND.negotiate) return `unexpected reply "${letter}" in initial handshake`;
  if (data.length < 12) return 'input packet too short for network long';
  const version = data.readUInt32BE(0);
  const actions = data.readUInt32BE(4);
  const steps = data.readUInt32BE(8);
  if (version > offer.version)
    return `protocol version ${version} conflict with MTA protocol version ${offer.version}`;
  if ((actions & ~ACTIONS) !== 0)
    return `request mask ${hex(actions)} conflict with MTA request mask ${hex(ACTIONS)}`;
  const warnings: string[] = [];
  const known = VERSION_STEPS.find(([number]) => number <= version);
  if (known === undefined) warnings.push(`unexpected protocol version ${version}`);
  const macros = readMacroLists(data.subarray(12), warnings);
  if (typeof macros === 'string') return macros;
  return {
    steps,
    unknownSteps: (OMITTABLE & ~offer.steps) | (OMITTABLE & ~(known?.[1] ?? offer.steps)),
    macros,
    warnings,
  };
}

function readMacroLists(
  data: Buffer,
  warnings: string[],
): ReadonlyMap<MacroStage, readonly string[]> | string {
  const macros = new Map<MacroStage, readonly string[]>();
  let at = 0;
  while (at < data.length) {
    if (data.length - at < 4) return 'input packet too short for network long';
    const number = data.readUInt32BE(at);
    const end = data.indexOf(0, at + 4);
    if (data.length - at === 4) return 'packet too short for string';
    if (end === -1) return 'missing string null terminator';
    const names = parseMacroNames(data.toString('latin1', at + 4, end));
    const stage = MACRO_STAGES[number];
    if (stage === undefined) warnings.push(`ignoring unknown macro type ${number}`);
    else if (names.length > 0) macros.set(stage, names);
    at = end + 1;
  }
  return macros;
}

/** `i, {auth_type} j` → the names as they stand. */
export function parseMacroNames(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((name) => name !== '');
}

// What `postcote index` asks of a user's worker, over a socket of root's: one request that names the user, then answers until
// `done` or `failed`.

export const INDEX_ACTIONS = ['status', 'rebuild'] as const;
export type IndexAction = (typeof INDEX_ACTIONS)[number];

export interface IndexInquiry {
  readonly user: string;
  readonly action: IndexAction;
}

export type IndexAnswer =
  /** A folder, and how many of its messages are indexed; many times for a folder that is being indexed. */
  | { readonly kind: 'folder'; readonly name: string; readonly messages: number; readonly indexed: number }
  | { readonly kind: 'done'; readonly path: string | undefined; readonly octets: number }
  | { readonly kind: 'failed'; readonly reason: string };

export function readIndexInquiry(value: unknown): IndexInquiry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { user, action } = value as Record<string, unknown>;
  const known = INDEX_ACTIONS.find((one) => one === action);
  if (typeof user !== 'string' || user === '' || user.length > 256 || known === undefined) return undefined;
  return { user, action: known };
}

export function isIndexAnswer(value: unknown): value is IndexAnswer {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  return kind === 'folder' || kind === 'done' || kind === 'failed';
}

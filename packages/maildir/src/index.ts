// The Maildir format as values: names, lists, keywords, subscriptions, line endings. `./edge` has the store.

export * from './file-name.ts';
export * from './keywords.ts';
export * from './uidlist.ts';
export * from './subscriptions.ts';
export * from './layout.ts';
export * from './line-endings.ts';

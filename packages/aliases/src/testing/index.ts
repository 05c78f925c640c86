// Address rewriting over tables written in the test, and the cases that are put to a real Postfix as well.

export {
  domains,
  domainsOf,
  failingTable,
  fixedTable,
  patternTable,
  type TestMachine,
  testMachine,
} from './machine.ts';
export { ALIASES, OUR_OWN, SAME_AS_POSTFIX, showDestination, USERS, VIRTUAL } from './postfix-cases.ts';
export { RCPT_CASES, RCPT_MACHINE } from './rcpt-cases.ts';

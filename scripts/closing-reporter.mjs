// Closes a test run with what was skipped, by name and reason, and one plain line of counts.
export default class ClosingReporter {
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const skipped = [];
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        const state = result.state === 'pending' ? 'skipped' : result.state;
        counts[state] += 1;
        if (state === 'skipped') skipped.push(`${test.fullName}${result.note ? `: ${result.note}` : ''}`);
      }
    }
    counts.failed += errors.length;
    if (skipped.length > 0) console.log(`\nskipped:\n${skipped.map((name) => `  ${name}`).join('\n')}`);
    console.log(`\nTests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}

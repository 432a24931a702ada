/**
 * `npm test` checks that the programs which the tests need are installed, builds, runs the unit tests, the end-to-end tests and the
 * tests of the Python package, and prints `N passed, N failed`, counted from the reports of Jest and unittest. With arguments it runs
 * only the matching test files (`npm test -- test/http/api.test.ts python/tests/test_client.py`).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
const RESULTS = path.join(ROOT, 'test-results');
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', path.join(ROOT, 'node_modules/jest/bin/jest.js')];

/**
 * Many unit tests wait for a process or a timer, so there are as many workers as cores. Each file of end-to-end tests starts an
 * identity provider and a browser of its own, so only two run at a time: more would need more memory than a small machine has.
 */
const PROJECTS = {
  unit: ['--maxWorkers=100%', '--testTimeout=60000'],
  e2e: ['--maxWorkers=2', '--testTimeout=60000'],
} as const;

type Project = keyof typeof PROJECTS;

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly numTotalTests: number;
}

/** Runs a program in the foreground. @returns its exit code */
function run(program: string, args: readonly string[]): number {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

function must(program: string, args: readonly string[]): void {
  const code = run(program, args);
  if (code !== 0) process.exit(code);
}

function hasTests(project: Project, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  const list = spawnSync(process.execPath, [...JEST, '--selectProjects', project, '--listTests', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return list.stdout.includes('.test.ts');
}

/** @returns undefined if Jest wrote no report */
function readReport(project: Project): Report | undefined {
  try {
    return JSON.parse(readFileSync(path.join(RESULTS, `${project}.json`), 'utf8')) as Report;
  } catch {
    return undefined;
  }
}

/** Debian's Python, for which `.ci/tools` installs what the tests need. */
const PYTHON = '/usr/bin/python3';

interface PythonReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Runs the tests of the Python package. @returns undefined if unittest wrote no report */
function runPython(names: readonly string[]): PythonReport | undefined {
  const file = path.join(RESULTS, 'python.json');
  const code = run(PYTHON, ['python/tests/run.py', file, ...names]);
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as PythonReport;
    return code === 0 || report.failed > 0 ? report : undefined;
  } catch {
    return undefined;
  }
}

const patterns = process.argv.slice(2);
const isOfPython = (pattern: string) => pattern.startsWith('python');
const jestPatterns = patterns.filter((pattern) => !isOfPython(pattern));
const pythonNames = patterns.filter((pattern) => isOfPython(pattern) && pattern.endsWith('.py')).map((file) => path.parse(file).name);
const hasPython = patterns.length === 0 || patterns.some(isOfPython);
const projects =
  patterns.length > 0 && jestPatterns.length === 0
    ? []
    : (Object.keys(PROJECTS) as Project[]).filter((project) => hasTests(project, jestPatterns));
const mayInstall = process.getuid?.() === 0 && (process.env.CI === 'true' || process.env.SAMLGATE_INSTALL === '1');

must('bash', ['.ci/tools', mayInstall ? 'install' : 'check']);
if (projects.includes('e2e') || hasPython) must(process.execPath, ['build.js']);
rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS);
const totals = { passed: 0, failed: 0, skipped: 0 };
let isGreen = projects.length > 0 || hasPython;
for (const project of projects) {
  const output = ['--json', `--outputFile=${path.join(RESULTS, `${project}.json`)}`];
  if (run(process.execPath, [...JEST, '--selectProjects', project, ...PROJECTS[project], ...output, ...jestPatterns]) !== 0)
    isGreen = false;
  const report = readReport(project);
  if (!report || report.numTotalTests === 0) {
    console.error(`The ${project} tests did not run.`);
    totals.failed++;
    continue;
  }
  totals.passed += report.numPassedTests;
  // A suite that could not be loaded has no failed test of its own.
  totals.failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
  totals.skipped += report.numPendingTests + report.numTodoTests;
}
if (hasPython) {
  const report = runPython(pythonNames);
  if (!report || report.passed + report.failed === 0) console.error('The Python tests did not run.');
  totals.passed += report?.passed ?? 0;
  totals.failed += report?.failed ?? 1;
  totals.skipped += report?.skipped ?? 0;
}
console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = isGreen && totals.failed === 0 && totals.passed > 0 ? 0 : 1;

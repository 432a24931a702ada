/** `samlgate doctor`: checks a gateway on its own machine and advises what to do. Changes nothing. */
import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import type { Finding } from '../doctor-checks.ts';
import { countOf, print, printLine, type Style } from '../output.ts';
import { withProgressIfSlow } from '../progress.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor [files...]')
    .description('check the configuration, store, clock, keys and certificates of this gateway, or organization files')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nRun it in the directory and with the environment of the gateway. Exits with 1 if there are errors. Warnings do not change the exit code.\n' +
        'With FILES, checks organization files as org apply does, without a gateway. Metadata with a URL is fetched.\n' +
        '\nExamples:\n  samlgate doctor\n  samlgate doctor --json\n  samlgate doctor acme.yaml',
    )
    .action(doctor);
}

const LOOKS: Readonly<Record<Finding['level'], { readonly mark: string; readonly style: Style }>> = {
  ok: { mark: 'ok', style: 'green' },
  warning: { mark: 'warning', style: 'yellow' },
  error: { mark: 'ERROR', style: 'red' },
};

async function doctor(files: readonly string[], { json }: { json?: boolean }): Promise<void> {
  const findings = await withProgressIfSlow('Checking', examine(files));
  print(json, findings, () => {
    for (const { level, check, text, advice } of findings) {
      printLine(`${LOOKS[level].mark.padEnd(8)} ${check}: ${text}`, LOOKS[level].style);
      if (advice !== undefined) printLine(`         ${advice}`);
    }
  });
  const errors = findings.filter(({ level }) => level === 'error').length;
  if (errors > 0) throw new CommandError(`${countOf(errors, 'error')} found.`);
}

/** Loads only the modules that the check needs. */
async function examine(files: readonly string[]): Promise<readonly Finding[]> {
  if (files.length > 0) return (await import('../organization-file/examine.ts')).examineFiles(files);
  return (await import('../doctor-checks.ts')).examineGateway(process.env);
}

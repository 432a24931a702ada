/** `samlgate doctor`: looks a gateway over from its own machine, and says what to do. Changes nothing. */
import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import type { Finding } from '../doctor-checks.ts';
import { print, printLine, type Style } from '../output.ts';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('check configuration, store, clock, keys and certificates about to expire; with the gateway’s own environment')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  samlgate doctor\n  samlgate doctor --json\nExits with 1 where something is broken; a warning alone is none.',
    )
    .action(doctor);
}

const LOOKS: Readonly<Record<Finding['level'], { readonly mark: string; readonly style: Style }>> = {
  ok: { mark: 'ok', style: 'green' },
  warning: { mark: 'warning', style: 'yellow' },
  error: { mark: 'ERROR', style: 'red' },
};

async function doctor({ json }: { json?: boolean }): Promise<void> {
  const { examine } = await import('../doctor-checks.ts');
  const findings = await examine(process.env);
  print(json, findings, () => {
    for (const { level, check, text, advice } of findings) {
      printLine(`${LOOKS[level].mark.padEnd(8)} ${check}: ${text}`, LOOKS[level].style);
      if (advice !== undefined) printLine(`         ${advice}`);
    }
  });
  const broken = findings.filter(({ level }) => level === 'error').length;
  if (broken > 0) throw new CommandError(`${broken} thing(s) to mend.`);
}

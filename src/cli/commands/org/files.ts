/** `samlgate org apply` and `samlgate org export`: organization files. */
import type { Command } from 'commander';
import { CommandError } from '../../command-error.ts';
import { connectAsOperator, type GatewayOptions } from '../../gateway-api.ts';
import { hasTerminalControls, print, printJson, printLine, printLines } from '../../output.ts';
import { withProgressIfSlow } from '../../progress.ts';

export function addApply(command: Command): void {
  command
    .option('--dry-run', 'print the changes without applying them')
    .option('--allow-no-owner', 'save role rules and groups_from even if they leave the organization without an owner (operator only)')
    .action(apply);
}

export function addExport(command: Command): void {
  command.action(exportFile);
}

/** Reads all files and plans all changes before the first change, so that a mistake in the last file changes nothing. */
async function apply(files: string[], options: GatewayOptions & { dryRun?: true; allowNoOwner?: true }): Promise<void> {
  const { dryRun = false, allowNoOwner = false } = options;
  // Loads the YAML parser for this command only.
  const { readOrganizationFile } = await import('../../organization-file/file.ts');
  const { applyPlan, planChanges } = await import('../../organization-file/plan.ts');
  const organizations = files.map(readOrganizationFile);
  const client = connectAsOperator(options);
  const plans = [];
  for (const file of organizations)
    plans.push(await withProgressIfSlow(`Comparing ${file.slug}`, planChanges(client, file, { allowNoOwner, isDryRun: dryRun })));
  const summary: Applied[] = [];
  for (const plan of plans) {
    const warnings = dryRun
      ? [...plan.notes]
      : await withProgressIfSlow(`Changing ${plan.slug}`, applyPlan(client, plan)).catch((error: unknown) => {
          throw withEarlierFiles(error, summary);
        });
    const changes = [...plan.creations, ...plan.changes].map(({ description }) => description);
    summary.push({ slug: plan.slug, changes, warnings });
  }
  print(options.json, { dry_run: dryRun, organizations: summary }, () => {
    for (const { slug, changes, warnings } of summary) {
      if (changes.length === 0) printLine(`${slug}: no changes`);
      for (const description of changes) printLine(`${slug}: ${dryRun ? 'would ' : ''}${description}`);
      for (const warning of warnings) printLine(`${slug}: warning: ${warning}`);
    }
  });
}

interface Applied {
  readonly slug: string;
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

/** Adds the files that were applied before the one that failed. */
function withEarlierFiles(error: unknown, summary: readonly Applied[]): unknown {
  const changed = summary.filter(({ changes }) => changes.length > 0);
  if (!(error instanceof CommandError) || changed.length === 0) return error;
  const lines = changed.map(({ slug, changes }) => `  ${slug}: ${changes.join('; ')}`);
  return new CommandError([error.message, 'Applied before, from other files:', ...lines].join('\n'), error.code);
}

async function exportFile(slug: string, options: GatewayOptions): Promise<void> {
  const { exportOrganization } = await import('../../organization-file/export.ts');
  const { file, notes } = await exportOrganization(connectAsOperator(options), slug);
  if (options.json) return printJson(file);
  const { stringify } = await import('yaml');
  printLine('# Written by samlgate org export. Apply it with: samlgate org apply FILE');
  for (const note of notes) printLine(`# ${note}`);
  const text = stringify(file, { lineWidth: 0 }).trimEnd();
  // JSON is YAML too, and escapes characters that are not printed as they are.
  if (hasTerminalControls(text)) printJson(file);
  else printLines(text);
}

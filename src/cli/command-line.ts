/** The commands of `samlgate`. Exit codes: 0 success, 1 failure or refusal, 2 wrong usage. */
import { type Command, CommanderError, program } from 'commander';
import { VERSION } from '../client/version.ts';
import { describeCommandError } from './command-error.ts';
import { addGroupExamples, examplesText } from './help.ts';
import { printNote } from './output.ts';

/** Loads only the module of the command that runs, so that a gateway does not carry the other commands in memory. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import('./commands/serve.ts')).addServe,
  login: async () => (await import('./commands/login.ts')).addLogin,
  logout: async () => (await import('./commands/logout.ts')).addLogout,
  whoami: async () => (await import('./commands/whoami.ts')).addWhoami,
  token: async () => (await import('./commands/token.ts')).addToken,
  members: async () => (await import('./commands/members.ts')).addMembers,
  org: async () => (await import('./commands/org.ts')).addOrg,
  connection: async () => (await import('./commands/connection.ts')).addConnection,
  scim: async () => (await import('./commands/scim.ts')).addScim,
  keys: async () => (await import('./commands/keys.ts')).addKeys,
  store: async () => (await import('./commands/store.ts')).addStore,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctor,
  completion: async () => (await import('./commands/completion.ts')).addCompletion,
  'mock-idp': async () => (await import('./commands/mock-idp.ts')).addMockIdp,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
};

const EXAMPLES = [
  'samlgate demo',
  'samlgate login --gateway https://sso.example.com --org acme',
  'samlgate whoami',
  'samlgate help org create',
];

/** Runs the command of the process's arguments, and sets the exit code. */
export async function runCommandLine(): Promise<void> {
  program
    .name('samlgate')
    .description('SAML 2.0 single sign-on gateway')
    .version(VERSION)
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .showSuggestionAfterError()
    .addHelpText('after', examplesText(EXAMPLES));

  // A reader like `head` may close the pipe early. That is not a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });

  try {
    for (const name of commandsFor(process.argv[2])) (await COMMANDS[name]?.())?.(program);
    addGroupExamples(program);
    await program.parseAsync();
  } catch (error) {
    process.exitCode = exitCodeOf(error);
  }
}

/** Returns the named command; all commands for help, for completion and for unknown names; none for the version. */
function commandsFor(first: string | undefined): readonly string[] {
  if (first === '--version' || first === '-V') return [];
  const isAlone = first !== undefined && first !== 'completion' && Object.hasOwn(COMMANDS, first);
  return isAlone ? [first] : Object.keys(COMMANDS);
}

function exitCodeOf(error: unknown): number {
  // Commander has already printed its message (usage or help).
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const end = describeCommandError(error);
  if (!end) throw error;
  printNote(end.message);
  return end.exitCode;
}

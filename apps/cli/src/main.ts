import { backupCommand } from './backup/backup-command.ts';
import { restoreCommand } from './backup/restore-command.ts';
import { clusterCommand } from './cluster-command.ts';
import { exitCode, helpOf, parseCommandLine, type Command } from './command.ts';
import { doctorCommand } from './doctor-command.ts';
import { readEnvironment } from './environment.ts';
import { eraseCommand } from './erase-command.ts';
import { explainCommand } from './explain-command.ts';
import { exportCommand } from './export-command.ts';
import { importCommand } from './import-command.ts';
import { reindexCommand } from './reindex-command.ts';
import { replayCommand } from './replay-command.ts';
import { scheduleCommand } from './schedule-command.ts';
import { searchCommand } from './search-command.ts';
import { sendCommand } from './send-command.ts';
import { serveCommand } from './serve-command.ts';
import { tailCommand } from './tail-command.ts';
import { systemTerminal, type Terminal } from './terminal.ts';
import { threadCommand } from './thread-command.ts';
import { tokenCommand } from './token-command.ts';
import { verifyCommand } from './verify-command.ts';

const commands: readonly Command[] = [
  serveCommand,
  tokenCommand,
  sendCommand,
  scheduleCommand,
  tailCommand,
  searchCommand,
  threadCommand,
  replayCommand,
  verifyCommand,
  exportCommand,
  importCommand,
  backupCommand,
  restoreCommand,
  clusterCommand,
  explainCommand,
  reindexCommand,
  eraseCommand,
  doctorCommand,
];

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return ['Usage: millrace COMMAND [options]', '', ...lines, '', 'millrace COMMAND --help tells more.'].join('\n');
}

async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.out(overview());
    return name === undefined ? exitCode.misused : exitCode.done;
  }
  const command = commands.find((one) => one.name === name);
  if (command === undefined) {
    terminal.note(`There is no command "${name}".\n\n${overview()}`);
    return exitCode.misused;
  }
  const args = parseCommandLine(command, rest);
  if (!args.ok) {
    terminal.note(`${args.error}\n\nmillrace ${name} --help tells how it is used.`);
    return exitCode.misused;
  }
  if (args.value.flag('help')) {
    terminal.out(helpOf(command));
    return exitCode.done;
  }
  return command.run(args.value, { terminal, environment: readEnvironment(process.env) });
}

const terminal = systemTerminal();
process.exitCode = await main(process.argv.slice(2), terminal);

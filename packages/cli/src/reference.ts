/** The command line's reference page, made from the command tree so that it cannot fall behind. */
import type { Command, Option } from 'commander';

/** Markdown: one section per command, in the tree's order, flags sorted by name. */
export function referencePage(program: Command): string {
  const globals = table(program.options, ['flag', 'is']);
  const sections = program.commands
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => section(command, ''));
  return [
    '# Commands',
    '',
    'Made from the commands themselves (`UPDATE_GOLDEN=1 node --test packages/cli/src/reference.test.ts`). Manifests go to standard output, to pipe into',
    '`kubectl apply -f -` or `kubectl delete -f -`; everything else that is said goes to standard error. Exit code 0, or 1 for every failure.',
    '',
    'Flags of every command:',
    '',
    ...globals,
    '',
    'An unknown verb `X` runs the plugin `mesh-X`, from this project or from PATH.',
    '',
    ...sections,
  ].join('\n');
}

function section(command: Command, prefix: string): readonly string[] {
  const name = `${prefix}${command.name()}`;
  if (command.commands.length > 0) {
    return command.commands.filter((child) => child.name() !== 'help').flatMap((child) => section(child, `${name} `));
  }
  const words = command.registeredArguments.map(
    (argument) =>
      ` ${argument.required ? '<' : '['}${argument.name()}${argument.variadic ? '...' : ''}${argument.required ? '>' : ']'}`,
  );
  const options = command.options.filter((option) => !option.hidden);
  return [
    `## mesh ${name}${words.join('')}`,
    '',
    sentence(command.description()),
    '',
    ...(options.length === 0 ? [] : [...table(options, ['flag', 'is']), '']),
  ];
}

function table(options: readonly Option[], header: readonly string[]): readonly string[] {
  const rows = [...options]
    .sort((a, b) => (a.long ?? '').localeCompare(b.long ?? ''))
    .map((option) => [`\`${option.flags}\``, escape(`${option.description}${choices(option)}${defaultOf(option)}`)]);
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function choices(option: Option): string {
  return option.argChoices === undefined ? '' : `: ${option.argChoices.join(', ')}`;
}

function defaultOf(option: Option): string {
  const value: unknown = option.defaultValue;
  if (value === undefined || typeof value === 'boolean') return '';
  return ` (default: ${typeof value === 'string' ? value : JSON.stringify(value)})`;
}

function sentence(text: string): string {
  const first = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return first.endsWith('.') ? first : `${first}.`;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}

/** `mesh completion bash|zsh|fish`: a script made from the command tree, so that it cannot fall behind. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { CliIo } from '../io.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

export function addCompletion(parent: Command, io: CliIo): void {
  parent
    .command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .action((shell: Shell) => io.stdout(completionScript(parent, shell)));
}

/** One line per command path: the words and flags that may follow it. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = walk(program, '');
  switch (shell) {
    case 'bash':
      return bash(nodes);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bash(nodes)}`;
    case 'fish':
      return fish(nodes);
  }
}

interface Node {
  readonly path: string;
  readonly words: readonly string[];
  readonly flags: readonly string[];
  readonly about: ReadonlyMap<string, string>;
}

function walk(command: Command, path: string): readonly Node[] {
  const children = command.commands;
  const node: Node = {
    path,
    words: children.flatMap((child) => [child.name(), ...child.aliases()]),
    flags: command.options.flatMap((option) =>
      option.long === undefined || option.long === null ? [] : [option.long],
    ),
    about: new Map(children.map((child) => [child.name(), child.description()])),
  };
  return [
    node,
    ...children.flatMap((child) =>
      [child.name(), ...child.aliases()].flatMap((name) => walk(child, `${path} ${name}`.trim())),
    ),
  ];
}

function bash(nodes: readonly Node[]): string {
  const root = nodes[0];
  const cases = nodes
    .map(
      (node) =>
        `    ${JSON.stringify(node.path)}) words=${JSON.stringify([...node.words, ...node.flags, ...(root?.flags ?? [])].join(' '))} ;;`,
    )
    .join('\n');
  return `# bash completion for mesh
_mesh() {
  local word path="" words="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    [[ "$word" == -* ]] || path="\${path:+$path }$word"
  done
  case "$path" in
${cases}
    *) words=${JSON.stringify((root?.flags ?? []).join(' '))} ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _mesh mesh
`;
}

function fish(nodes: readonly Node[]): string {
  const lines = ['# fish completion for mesh', 'complete -c mesh -f'];
  for (const node of nodes) {
    const condition =
      node.path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${node.path.split(' ').at(-1) ?? ''}`;
    for (const word of node.words) {
      lines.push(`complete -c mesh -n '${condition}' -a ${word} -d ${JSON.stringify(node.about.get(word) ?? '')}`);
    }
    for (const flag of node.flags) lines.push(`complete -c mesh -n '${condition}' -l ${flag.slice(2)}`);
  }
  return `${lines.join('\n')}\n`;
}

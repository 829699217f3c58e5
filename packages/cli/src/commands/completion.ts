import { bashScript } from "../completion/bash.ts";
import { fishScript } from "../completion/fish.ts";
import { modelOf } from "../completion/model.ts";
import { zshScript } from "../completion/zsh.ts";
import type { Context } from "../context.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

interface CompletionArguments {
  readonly shell: keyof typeof SCRIPTS;
}

/** Prints the completion script of a shell. */
export async function run({ output, program }: Context, { shell }: CompletionArguments): Promise<undefined> {
  output.stdout.write(SCRIPTS[shell](modelOf(program)));
}

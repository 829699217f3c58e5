#!/usr/bin/env node
import { runCommandLine } from "./run.ts";

const code = await runCommandLine(process.argv.slice(2));
// What is still to be written has to be out before the process ends; a command leaves nothing else to wait for.
for (const stream of [process.stdout, process.stderr]) await new Promise((done) => stream.write("", done));
process.exit(code);

// The API reference: every public entry of every publishable package, from its docstrings.

import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Application, Comment, ReflectionKind } from "typedoc";
import { load } from "typedoc-plugin-markdown";
import { publishablePackages } from "../../scripts/packed.mjs";
import { referenceFolder, root } from "./pages.mjs";

const sourceCondition = "@bucketline/source";

/** What programs can import, with its source file. A package whose sources are not there yet has none. */
export function publicEntries() {
  return publishablePackages().flatMap(({ folder, manifest }) =>
    Object.entries(manifest.exports).flatMap(([path, target]) => {
      const source = target[sourceCondition];
      if (source === undefined || !existsSync(join(folder, source))) return [];
      const name = `${manifest.name}${path.slice(1)}`;
      // Entries beside the main one say what they are by a docstring with @module.
      const about = path === "." ? manifest.description : undefined;
      return [{ name, about, folder: name.replace(/^@[^/]+\//, ""), source: join(folder, source) }];
    }),
  );
}

function options(entries) {
  return {
    plugin: [load],
    entryPoints: entries.map(({ source }) => source),
    tsconfig: join(root, "tsconfig.json"),
    basePath: root,
    name: "API reference",
    out: join(root, referenceFolder),
    readme: "none",
    // `npm run typecheck` does that.
    skipErrorChecking: true,
    excludePrivate: true,
    excludeInternal: true,
    excludeExternals: true,
    disableSources: true,
    entryFileName: "index",
    excludeScopesInPaths: true,
    hidePageHeader: true,
    useHTMLEncodedBrackets: true,
    sanitizeComments: true,
    indexFormat: "table",
    parametersFormat: "table",
    expandParameters: true,
    interfacePropertiesFormat: "table",
    classPropertiesFormat: "table",
    typeAliasPropertiesFormat: "table",
    propertyMembersFormat: "table",
    typeDeclarationFormat: "table",
    tableColumnSettings: { hideModifiers: true },
    // Fields stand as their author has put them, the required ones first; names of an entry by the alphabet, see below.
    sort: ["source-order"],
    pageTitleTemplates: { project: "{projectName}", module: "{name}", member: "{name}" },
    validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: false },
    logLevel: "Warn",
  };
}

function isDocumented(declaration) {
  if (declaration.kindOf(ReflectionKind.Reference)) return true;
  return declaration.hasComment() || (declaration.signatures ?? []).some((signature) => signature.hasComment());
}

/** Names that importing an entry gives, as the compiler sees them. */
function exportsOf({ program, sourceFile }) {
  const checker = program.getTypeChecker();
  const symbol = checker.getSymbolAtLocation(sourceFile);
  return checker.getExportsOfModule(symbol).map(({ name }) => name);
}

/**
 * Writes the reference.
 * @returns the entries with the names that each exports, and what is wrong with their docstrings
 */
export async function writeReference() {
  const found = publicEntries();
  const app = await Application.bootstrapWithPlugins(options(found));
  const points = app.getEntryPoints() ?? [];
  const entries = points.map((point) => {
    const { name, folder } = found.find(({ source }) => resolve(source) === resolve(point.sourceFile.fileName));
    point.displayName = name;
    return { name, folder, exports: exportsOf(point) };
  });
  const project = app.converter.convert(points);
  for (const module of project.children) {
    for (const group of module.groups) group.children.sort((a, b) => (a.name < b.name ? -1 : 1));
    const { about } = found.find(({ name }) => name === module.name);
    if (about !== undefined) module.comment ??= new Comment([{ kind: "text", text: about }]);
  }
  app.validate(project);
  const bare = project.children.flatMap((module) =>
    module.children.filter((one) => !isDocumented(one)).map((one) => `${module.name}: ${one.name}`),
  );
  rmSync(join(root, referenceFolder), { recursive: true, force: true });
  await app.generateOutputs(project);
  const { warningCount, errorCount } = app.logger;
  const warned = warningCount + errorCount > 0 ? [`TypeDoc: ${warningCount} warnings, ${errorCount} errors`] : [];
  return { entries, problems: [...bare.map((name) => `${name} has no docstring`), ...warned] };
}

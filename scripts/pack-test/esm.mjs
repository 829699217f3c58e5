// Arguments: every entry of every package. Loads them with `import` and uploads with them.

import { uploadFolder } from "./upload.mjs";

const modules = {};
for (const name of process.argv.slice(2)) modules[name] = await import(name);
await uploadFolder(modules);

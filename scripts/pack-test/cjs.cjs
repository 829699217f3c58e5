// Arguments: every entry of every package. Loads them with `require` and uploads with them.

const { uploadFolder } = require("./upload.mjs");

uploadFolder(Object.fromEntries(process.argv.slice(2).map((name) => [name, require(name)])));

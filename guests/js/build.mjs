// Makes a component of a script: node build.mjs SOURCE WIT OUTPUT. Node looks for packages beside the script that wants
// them, so `cargo xtask guests` runs a copy of this file in the folder that tools/setup has installed them in.
import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [source, witPath, output] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, "utf8"), { witPath, worldName: "app" });
await writeFile(output, component);

// Bundles codemirror.js into one file and writes the licences of what went into it beside it.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const target = "../../rules/static/rules/vendor/";

const result = await build({
  entryPoints: ["codemirror.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "CodeMirror",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  outfile: `${target}codemirror.js`,
  banner: { js: "/* CodeMirror 6, MIT; versions and licences are in codemirror.txt. Built by tools/editor. */" },
});

const inputs = Object.keys(result.metafile.inputs);
const names = new Set(
  inputs.map((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean),
);
const parts = [...names].sort().map((name) => {
  const about = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const licence = readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim();
  return `${name} ${about.version} (${about.license})\n\n${licence}\n`;
});
const head = "What codemirror.js was made of, by tools/editor (npm ci && npm run build). Do not edit either file.\n";
writeFileSync(`${target}codemirror.txt`, [head, ...parts].join(`\n${"-".repeat(78)}\n\n`));

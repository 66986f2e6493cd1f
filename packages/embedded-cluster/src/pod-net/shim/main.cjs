/**
 * Gives a process the illusion of its own network namespace. Preloaded into every container that
 * runs on Node.js or Bun; does nothing outside a pod.
 *
 * Plain JavaScript without dependencies: it is loaded before the program, by every process of every
 * pod. Everything that it must know stands in one environment variable that the node agent wrote.
 */
'use strict';

if (process.env.EMBEDDED_POD) {
  const { createRules } = require('./rules.cjs');
  const rules = createRules(JSON.parse(process.env.EMBEDDED_POD));
  require('./names.cjs').install(rules);
  if (rules.pod.files?.length > 0) require('./files.cjs').install(rules.pod.files);
  if (process.versions.bun) require('./sockets-bun.cjs').install(rules);
  else require('./sockets-node.cjs').install(rules);
  // Named imports of built-in modules are copies: bring them up to date with what was replaced.
  require('node:module').syncBuiltinESMExports?.();
}

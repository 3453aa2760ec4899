// Loaded into npm before npm itself, where there is a network: whatever npm is led to, it starts no program.
//
// A package that is asked for as a Git repository is prepared by the package's own scripts, whatever npm was told of
// scripts. Nothing that is fetched here needs a program: npm asks a registry, and writes files.
'use strict';
const children = require('node:child_process');
const workers = require('node:worker_threads');
const cluster = require('node:cluster');
const { syncBuiltinESMExports } = require('node:module');

function refuse() {
  const text = 'a package wants a program to be run (Git, or a script of its own), and where there is a network none is';
  // Said at once: who called may fail over this failure, and tell of that one.
  process.stderr.write(`npm ERR! code EPROGRAM\nnpm ERR! ${text}\n`);
  throw Object.assign(new Error(text), { code: 'EPROGRAM' });
}

function fix(owner, name, value = refuse) {
  if (owner && owner[name] !== undefined) Object.defineProperty(owner, name, { value, writable: false, configurable: false });
}

for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork', '_forkChild']) fix(children, name);
fix(children.ChildProcess.prototype, 'spawn');
fix(workers, 'Worker', class Worker { constructor() { refuse(); } });
fix(cluster, 'fork');
for (const name of ['binding', '_linkedBinding', 'execve', 'dlopen']) fix(process, name);
syncBuiltinESMExports();

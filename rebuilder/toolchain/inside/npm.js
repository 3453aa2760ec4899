// Runs in a container with a network, before one of the programs beside this: takes in files, runs npm, sends an answer.
//
// Standard input is a tar of files for FOLDER; standard output is a tar of `answer.json` and of what was left in
// `answer/files`. Before it stands GUARD, the text of `guard.js`.
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const NO_CLIENT = 64;
const MAX_LOG = 256 * 1024;
const MAX_SAID = 64 * 1024 * 1024;

const folder = process.argv[1];
const task = process.argv[2];
const place = (...names) => path.join(folder, ...names);
const read = (name) => fs.readFileSync(place(name), 'utf8');

execFileSync('tar', ['--extract', '--no-same-owner', '--directory', folder, '--file', '-'], { stdio: [0, 2, 2] });
for (const pair of read('environment').split('\0').filter(Boolean)) {
  const at = pair.indexOf('=');
  process.env[pair.slice(0, at)] = pair.slice(at + 1);
}
for (const name of ['answer/files', 'home', 'tmp', 'cache']) fs.mkdirSync(place(name), { recursive: true });
Object.assign(process.env, { HOME: place('home'), TMPDIR: place('tmp') });
fs.writeFileSync(place('guard.js'), GUARD);

// Runs npm without any script of a package, and without any other program; its status, what it printed, and the end of
// what it said besides.
function npm(command, options, specs, cwd = place('home')) {
  const common = ['--cache', place('cache'), '--ignore-scripts', '--no-update-notifier', '--no-color', '--no-progress',
    '--logs-max=0', '--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=3000'];
  const done = spawnSync('npm', [...command, ...common, ...options, '--', ...specs],
    { cwd, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: MAX_SAID, env: { ...process.env, NODE_OPTIONS: nodeOptions() } });
  if (done.error && done.error.code === 'ENOENT') {
    process.stderr.write('there is no npm in this root filesystem\n');
    process.exit(NO_CLIENT);
  }
  let log = `${done.stderr}${done.error ? done.error.message : ''}`;
  // From the start of a line: half of an address would no longer be seen to hold a password.
  if (log.length > MAX_LOG) log = log.slice(-MAX_LOG).replace(/^[^\n]*\n?/, '');
  process.stderr.write(log);
  return { status: done.status === null ? 1 : done.status, log, printed: done.stdout };
}

// `--require` before all that npm loads; a file that is not there would end npm at once.
function nodeOptions() {
  return [process.env.NODE_OPTIONS, `--require "${place('guard.js')}"`].filter(Boolean).join(' ');
}

function send(said) {
  fs.writeFileSync(place('answer/answer.json'), JSON.stringify(said));
  const names = ['answer.json', ...fs.readdirSync(place('answer/files')).map((name) => `files/${name}`)];
  fs.writeFileSync(place('names'), names.join('\n'));
  execFileSync('tar', ['--create', '--format=gnu', '--hard-dereference', '--directory', place('answer'), '--files-from', place('names')],
    { stdio: ['ignore', 1, 2] });
}

// Runs in a container with a network: lets the container's own npm fetch packages into its cache.
//
// Standard input is a tar of files for FOLDER, among them `wanted.json`: a list of [spec, path in the cache].
// Standard output is a tar of `answer.json` and of what lies at those paths, under `files/NUMBER`. `npm cache add`
// unpacks nothing and runs no script.
'use strict';
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const NO_CLIENT = 64;
const MAX_LOG = 256 * 1024;
const MAX_ONE_BY_ONE = 50;
const AT_ONCE = 200;
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|SELF_SIGNED\w*|UNABLE_TO\w*|CERT_\w+|E401|E5\d\d)\b/;

const folder = process.argv[1];
const place = (...names) => path.join(folder, ...names);

execFileSync('tar', ['--extract', '--no-same-owner', '--directory', folder, '--file', '-'], { stdio: [0, 2, 2] });
for (const pair of fs.readFileSync(place('environment'), 'utf8').split('\0').filter(Boolean)) {
  const at = pair.indexOf('=');
  process.env[pair.slice(0, at)] = pair.slice(at + 1);
}
for (const name of ['answer/files', 'home', 'tmp', 'cache']) fs.mkdirSync(place(name), { recursive: true });
Object.assign(process.env, { HOME: place('home'), TMPDIR: place('tmp') });

function add(specs) {
  const options = ['--cache', place('cache'), '--ignore-scripts', '--no-update-notifier', '--no-color', '--no-progress',
    '--logs-max=0', '--fetch-retries=2', '--fetch-retry-mintimeout=500', '--fetch-retry-maxtimeout=3000'];
  const done = spawnSync('npm', ['cache', 'add', ...options, '--', ...specs],
    { cwd: place('home'), stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 });
  if (done.error && done.error.code === 'ENOENT') {
    process.stderr.write('there is no npm in this root filesystem\n');
    process.exit(NO_CLIENT);
  }
  let log = `${done.stdout}${done.stderr}${done.error ? done.error.message : ''}`;
  // From the start of a line: half of an address would no longer be seen to hold a password.
  if (log.length > MAX_LOG) log = log.slice(-MAX_LOG).replace(/^[^\n]*\n?/, '');
  process.stderr.write(log);
  return { status: done.status === null ? 1 : done.status, log };
}

const wanted = JSON.parse(fs.readFileSync(place('wanted.json'), 'utf8'));
const stored = ([, content]) => place('cache', '_cacache', 'content-v2', content);
const came = (one) => fs.existsSync(stored(one));

// All at once; where that fails, those that did not come one by one, to learn which.
let all = { status: 0, log: '' };
const items = {};
for (let start = 0; start < wanted.length && all.status === 0; start += AT_ONCE) {
  all = add(wanted.slice(start, start + AT_ONCE).map(([spec]) => spec));
}
if (all.status !== 0 && !UNREACHABLE.test(all.log)) {
  let failed = 0;
  for (const one of wanted) {
    if (came(one) || failed >= MAX_ONE_BY_ONE) continue;
    items[one[0]] = add([one[0]]);
    failed += items[one[0]].status === 0 ? 0 : 1;
  }
}

fs.writeFileSync(place('answer/answer.json'), JSON.stringify({ ...all, items }));
wanted.forEach((one, number) => came(one) && fs.linkSync(stored(one), place('answer/files', String(number))));
const names = ['answer.json', ...fs.readdirSync(place('answer/files')).map((name) => `files/${name}`)];
fs.writeFileSync(place('names'), names.join('\n'));
execFileSync('tar', ['--create', '--format=gnu', '--hard-dereference', '--directory', place('answer'), '--files-from', place('names')],
  { stdio: ['ignore', 1, 2] });

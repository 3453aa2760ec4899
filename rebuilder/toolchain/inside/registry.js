// Runs after `npm.js`: what a registry says of a version, its tarball, and the lock of a package.json.
const QUIET = ['--loglevel=error'];

// What npm shows of each [spec, name] of `wanted.json`, as `files/NUMBER`; where there is no such version, the
// versions of the package as `files/NUMBER-versions`.
function view() {
  const rows = JSON.parse(read('wanted.json')).map(([spec, name], number) => {
    const shown = npm(['view', '--json'], QUIET, [spec]);
    const good = shown.status === 0 && shown.printed.length > 0;
    if (good) fs.writeFileSync(place('answer/files', String(number)), shown.printed);
    else if (/E404|ETARGET/.test(shown.log + shown.printed) || shown.status === 0) {
      const all = npm(['view', '--json'], QUIET, [name, 'versions', 'name', 'dist-tags']);
      if (all.status === 0) fs.writeFileSync(place('answer/files', `${number}-versions`), all.printed);
    }
    return { status: good ? 0 : shown.status || 1, log: shown.log };
  });
  send({ status: 0, log: '', rows });
}

// The tarball of each spec, byte for byte, as `files/NUMBER`. npm checks it by the digest that the registry names.
function pack() {
  const rows = JSON.parse(read('wanted.json')).map((spec, number) => {
    const into = place('packed', String(number));
    fs.mkdirSync(into, { recursive: true });
    const { status, log } = npm(['pack'], [...QUIET, '--pack-destination', into], [spec]);
    const [name] = fs.readdirSync(into);
    if (status === 0 && name) fs.renameSync(path.join(into, name), place('answer/files', String(number)));
    return { status: status === 0 && !name ? 1 : status, log };
  });
  send({ status: 0, log: '', rows });
}

// `package-lock.json` of `package.json`, of what was there before the day in `as-of`; and those packages of it of which
// no answer in npm's cache says that they were.
function lock() {
  const tree = place('tree');
  fs.mkdirSync(tree);
  fs.renameSync(place('package.json'), path.join(tree, 'package.json'));
  let day = fs.existsSync(place('as-of')) ? read('as-of') : '';
  const options = ['--package-lock-only', '--no-audit', '--no-fund', '--omit-lockfile-registry-resolved', '--lockfile-version=3'];
  const install = () => npm(['install'], day ? [...options, `--before=${day}`] : options, [], tree);
  let { status, log } = install();
  const first = day;
  for (let tries = 0; day && status !== 0 && fs.existsSync(place('later')) && tries < 20; tries += 1) {
    const next = after(log, day);
    if (!next) break;
    day = next;
    ({ status, log } = install());
  }
  const moved = day === first ? '' : day;
  const made = path.join(tree, 'package-lock.json');
  if (status !== 0 || !fs.existsSync(made)) return send({ status: status || 1, log, undated: '', moved: '' });
  const undated = day ? outside(JSON.parse(fs.readFileSync(made, 'utf8')), Date.parse(day)) : [];
  fs.renameSync(made, place('answer/files/package-lock.json'));
  return send({ status, log, undated: undated.join('\n'), moved });
}

// The first moment after a day at which the registry had another version of the package that npm found none of.
function after(log, day) {
  const lacking = /No (?:versions available|matching version found) for ((?:@[^/\s@]+\/)?[^@\s]+)/.exec(log);
  const times = Object.entries((lacking && known()[lacking[1]]) || {}).filter(([name]) => !['created', 'modified'].includes(name));
  const later = times.map(([, time]) => Date.parse(time)).filter((time) => time >= Date.parse(day));
  return later.length ? new Date(Math.min(...later) + 1000).toISOString() : '';
}

function outside(locked, day) {
  const times = known();
  return Object.entries(locked.packages || {}).filter(([where]) => where).map(([where, row]) => [
    row.name || where.slice(where.lastIndexOf('node_modules/') + 'node_modules/'.length), row.version,
  ]).filter(([name, version]) => !(Date.parse((times[name] || {})[version]) < day)).map(([name, version]) => `${name}@${version}`);
}

// Package -> version -> time, of every answer in npm's cache.
function known() {
  const times = {};
  const index = place('cache', '_cacache', 'index-v5');
  for (const file of fs.readdirSync(index, { recursive: true }).map((name) => path.join(index, name))) {
    if (!fs.statSync(file).isFile()) continue;
    for (const line of fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      try {
        const { integrity } = JSON.parse(line.slice(line.indexOf('\t') + 1));
        const hex = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex');
        const content = place('cache', '_cacache', 'content-v2', 'sha512', hex.slice(0, 2), hex.slice(2, 4), hex.slice(4));
        const { name, time } = JSON.parse(fs.readFileSync(content, 'utf8'));
        if (name && time) times[name] = { ...times[name], ...time };
      } catch {
        // Not a registry's answer about a package.
      }
    }
  }
  return times;
}

({ view, pack, lock })[task]();

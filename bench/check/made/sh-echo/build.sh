#!/bin/sh
set -eu
mkdir -p out
echo -e "# made by build.sh\nname = table" > out/table.conf
sed 's/ *= */: /' values.conf > out/values.yaml

#!/bin/sh
# Stands in for kubectl where there is no cluster. A preview asks none, and is told so; in a rehearsal of `up` the
# cluster is the stand-in's own, whose routes no delivery has ever touched.
if [ "${SHIPWAY_STANDIN_CLUSTER:-}" = rehearsed ]; then
  echo '{"items": []}'
else
  echo "no cluster is asked offline" >&2
  exit 1
fi

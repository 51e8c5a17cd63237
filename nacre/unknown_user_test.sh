#!/bin/bash
# nacre runs as a user whom nobody has given a name, as a container's may be.

nacre=(${NACRE_EMULATOR:+"$NACRE_EMULATOR"} "$PWD/$1")
nobody=(unshare --user --map-user=54321 env -u USER -u LOGNAME)

if ! "${nobody[@]}" true 2>/dev/null; then
  echo "SKIPPED: no user namespaces here"
  exit 0
fi
[[ $("${nobody[@]}" id -u) == 54321 ]] || exit 1
# glog, which looks for a name, is told none.
output=$("${nobody[@]}" "${nacre[@]}" --help 2>&1)
code=$?
if [[ $code != 0 || $output != *--kernel* ]]; then
  echo "FAIL: exit code $code, output: $output"
  exit 1
fi

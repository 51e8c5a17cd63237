#!/usr/bin/env bash
# Makes the pictures of guest/programs/pictures natively (tools/native.sh).
#   tools/pictures.sh                    writes docs/pictures.png, a contact sheet
#                                        of them on the a660, if all are right
#   tools/pictures.sh --out=DIR CHIP...  leaves them in DIR for check_pictures.py
#   tools/pictures.sh --guest --out=DIR CHIP...      as a guest's (tools/guest.sh)
# For each CHIP twice, as drivers do by themselves (CHIP) and told to go the other
# way (CHIP-other: gallium clears in memory, turnip passes in GMEM): in DIR a folder
# of that name with the pictures, and beside it NAME.log, what the programs said;
# NAME.list, a line `picture PROGRAM-PICTURE DIGEST` each; NAME-PROGRAM.code and
# NAME-PROGRAM.json, the program's exit code and what the simulated GPU counted.

# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

programs=(gles_pictures vulkan_pictures)

# run NAME CHIP VARIABLE=VALUE...: both programs.
run() {
  local folder=$out/$1 chip=$2 program code
  shift 2
  mkdir -p "$folder"
  : >"$folder.log"
  for program in "${programs[@]}"; do
    code=0
    timeout 120 env "${environment[@]}" "$@" NACRE_SIM="$chip" \
      NACRE_SUMMARY="$folder-$program.json" \
      "$built/guest/programs/pictures/$program" --out="$folder" \
      >>"$folder.log" 2>&1 || code=$?
    printf '%d\n' "$code" >"$folder-$program.code"
  done
  # As guest/tests/pictures does.
  (cd "$folder" && sha256sum -- *.bytes) |
    sed 's/^\(.\{16\}\)[0-9a-f]*  \(.*\)\.bytes$/picture \2 \1/' >"$folder.list"
}

chips=() out='' side=native
for argument in "$@"; do
  case $argument in
    --out=?*) out=${argument#*=} ;;
    --guest) side=guest ;;
    -*) fail "unknown option $argument; usage: pictures.sh [[--guest] --out=DIR CHIP...]" ;;
    *) chips+=("$argument") ;;
  esac
done

readarray -t environment < <("$tools_dir/$side.sh")
((${#environment[@]})) || fail "cannot run programs: $side.sh says why"
progress "building the pictures"
run_bazel build //guest/programs/pictures/... >&2
built=$(cd "$root_dir" && /usr/bin/bazel info bazel-bin 2>/dev/null)

if [[ -n $out ]]; then
  mkdir -p "$out"
  for chip in "${chips[@]}"; do
    progress "pictures, $side, on the $chip"
    run "$chip" "$chip"
    run "$chip-other" "$chip" FD_MESA_DEBUG=sysmem TU_DEBUG=gmem
  done
  exit
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
run a660 a660
grep -v '^PASS ' "$out/a660.log" >&2
for program in "${programs[@]}"; do
  [[ $(cat "$out/a660-$program.code") == 0 ]] ||
    fail "the pictures of $program are not all right: no sheet is written"
done
sheet=$root_dir/docs/pictures.png
"$tools_dir/contact_sheet.py" "$sheet" "$out/a660" \
  gles_pictures- vulkan_pictures-
progress "wrote $sheet"

# shellcheck shell=bash
# Entries of the cache: folders that are slow to make, under keys made of their
# content. To be sourced after lib.sh.

mkdir -p "$cache_dir"

# content_key WORD|FILE...: a short hash over the words, and over the content
# of those that name files.
content_key() {
  local item
  for item in "$@"; do
    if [[ -f $item ]]; then
      sha256sum <"$item"
    else
      printf '%s\n' "$item"
    fi
  done | sha256sum | cut -c1-16
}

# cached NAME KEY BUILD: prints the path of the entry NAME-KEY. If there is
# none, runs `BUILD DIR`, which fills an empty folder, and renames it into
# place; BUILD's standard output goes to standard error. Runs at the same time
# wait for one another; an interrupted one leaves no entry.
cached() (
  name=$1 key=$2 build=$3
  entry=$cache_dir/$name-$key
  if [[ ! -d $entry ]]; then
    exec 9>"$cache_dir/$name.lock"
    flock --nonblock 9 || {
      progress "$name: another run is making it; waiting"
      flock 9
    }
  fi
  if [[ ! -d $entry ]]; then
    rm -rf "$cache_dir/.$name".*
    new=$(mktemp -d "$cache_dir/.$name.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    chmod 755 "$new"
    "$build" "$new" >&2 9>&-
    mv -T "$new" "$entry"
  fi
  keep_entry "$name" "$key"
  printf '%s\n' "$entry"
)
